//! `bench-harness`: the tool people run first. Latency histograms and throughput of messaging
//! libraries over inproc, ipc and tcp, each beside what the machine allows and beside libzmq.
//!
//! As a library it lets other programs take part: implement [`peer::Peer`] for a messaging library,
//! put it into a [`peer::PeerSet`], let `main` be [`role::program`], and name the program with
//! `--rival NAME=PATH`.
#![deny(unsafe_code)]

mod affinity;
mod cli;
mod clock;
mod compare;
mod document;
mod floor;
mod histogram;
mod machine;
pub mod peer;
mod process;
mod report;
mod results;
pub mod role;
mod run;
mod sweep;
mod tools;
mod usage;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};
use peer::BuiltIn;

/// The whole program.
pub fn main() -> ExitCode {
    match job(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-harness: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Does what was asked; whether all of it worked.
fn job(cli: Cli) -> Result<bool> {
    match cli.command {
        Some(Command::Role { argument }) => role::main::<BuiltIn>(&argument).map(|()| true),
        Some(Command::Probe { argument }) => {
            role::answer_question::<BuiltIn>(&argument).map(|()| true)
        }
        Some(Command::Floor(options)) => run::run(&options.plan()?),
        Some(Command::Sweep(options)) => sweep::run(&options.plan()?),
        Some(Command::Compare(options)) => compare::run(&options),
        Some(Command::Tool(tool)) => tools::run::<BuiltIn>(&tool).map(|()| true),
        None => run::run(&cli.run.plan()?),
    }
}
