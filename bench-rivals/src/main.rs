//! Other messaging libraries in Rust behind the harness's peer trait: `bench-harness --rival
//! rzmq=PATH --rival omq-tokio=PATH --rival zeromq=PATH`, with the path of this program.

mod omq;
mod parts;
mod rzmq;
mod zeromq;

use std::process::ExitCode;

use bench_harness::peer::{PeerName, PeerSet, PeerTask};

/// The libraries in here.
enum Rivals {}

impl PeerSet for Rivals {
    fn dispatch<T: PeerTask>(name: PeerName, task: T) -> Option<T::Output> {
        match name.name() {
            "rzmq" => Some(task.run::<rzmq::Rzmq>()),
            "omq-tokio" => Some(task.run::<omq::Omq>()),
            "zeromq" => Some(task.run::<zeromq::Zeromq>()),
            _ => None,
        }
    }
}

fn main() -> ExitCode {
    bench_harness::role::program::<Rivals>()
}
