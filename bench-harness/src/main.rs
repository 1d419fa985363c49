//! `bench-harness`: the tool people run first. Latency histograms and throughput of messaging
//! libraries over inproc, ipc and tcp, each beside what the machine allows and beside libzmq.
#![deny(unsafe_code)]

mod affinity;
mod cli;
mod clock;
mod floor;
mod histogram;
mod machine;
mod peer;
mod process;
mod report;
mod results;
mod role;
mod run;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    match job(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-harness: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked; whether all of it worked.
fn job(cli: Cli) -> Result<bool> {
    match cli.command {
        Some(Command::Role { argument }) => role::main(&argument).map(|()| true),
        Some(Command::Floor(options)) => run::run(&options.plan()?),
        None => run::run(&cli.run.plan()?),
    }
}
