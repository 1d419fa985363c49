//! What happens when the system has no descriptors left. Runs in a child process, whose limit is lowered.

use std::net::TcpStream;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zeroring::{EventKind, Pull, Push, What};

use crate::support::{Env, await_event, recv};

/// Set in the child.
const IN_CHILD: &str = "ZERORING_TEST_FEW_DESCRIPTORS";
/// Enough for everything but the connection.
const DESCRIPTORS_MAX: u64 = 100;

cases! {
    tcp { accepting_survives_a_lack_of_descriptors }
}

fn accepting_survives_a_lack_of_descriptors(env: &Env) {
    if std::env::var_os(IN_CHILD).is_some() {
        return with_few_descriptors(env);
    }
    let name = match env.driver {
        zeroring::DriverChoice::Uring => "tcp_uring",
        _ => "tcp_epoll",
    };
    let test = format!("limits::accepting_survives_a_lack_of_descriptors::{name}");
    let child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", &test, "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}

fn with_few_descriptors(env: &Env) {
    // Before anything listens: io_uring holds a running accept to the limit that was in force when it began.
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS_MAX), maximum: before.maximum })
        .expect("lowering is allowed");
    let (pull, endpoint) = env.bound::<Pull>();
    let mut events = pull.monitor();
    let address = endpoint.trim_start_matches("tcp://").to_owned();
    // The client's end comes into being before the descriptors run out; the server's end would be the one too many.
    let client = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .expect("a socket");
    let mut kept = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        kept.push(file);
    }
    let target: std::net::SocketAddr = address.parse().expect("numeric");
    rustix::net::connect(&client, &target).expect("the kernel accepts on its own");
    let failed = await_event(&mut events, EventKind::AcceptFailed);
    const EMFILE: i32 = 24;
    assert_eq!(failed.what, What::AcceptFailed { errno: EMFILE });
    kept.clear();
    await_event(&mut events, EventKind::Accepted);
    setrlimit(Resource::Nofile, before).expect("back to where it was");
    drop(TcpStream::from(client));
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.send("as before").expect("a queue");
    assert_eq!(recv(&pull), "as before");
}
