//! A process without free descriptors cannot accept, must say so, and must go on once there are some again.
//!
//! Alone in its binary, because it lowers the limit of the whole process.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zeroring_core::io::driver::{Driver, Event, Token};
use zeroring_core::io::transport::{Listener, Stream, Transport};
use zeroring_core::options::SocketOptions;
use zeroring_transports::{DriverChoice, TcpTransport, available, new_driver};

const LISTENER: Token = Token(1);

/// Takes every descriptor that is left.
fn take_all_descriptors() -> Vec<OwnedFd> {
    let mut taken = Vec::new();
    while let Ok(fd) = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC) {
        taken.push(fd);
    }
    taken
}

/// The next thing that accepting brings: a stream, or why not.
fn next_accept(
    driver: &mut dyn Driver,
    listener: &Arc<dyn Listener>,
) -> std::io::Result<Arc<dyn Stream>> {
    for _ in 0..100 {
        let mut events = Vec::new();
        driver.wait(Some(Duration::from_secs(10)), &mut events).expect("wait");
        match events.into_iter().next() {
            Some(Event::Acceptable(LISTENER)) => return listener.accept(),
            other => assert!(other.is_none(), "{other:?}"),
        }
    }
    panic!("nothing came");
}

fn survives_exhaustion(choice: DriverChoice) {
    let (mut driver, _) = new_driver(choice).expect("driver");
    let options = SocketOptions { backlog_connections: 10, ..SocketOptions::default() };
    let listener = TcpTransport.bind("127.0.0.1:*", &options).expect("bind");
    let address = listener.endpoint().strip_prefix("tcp://").expect("tcp").to_owned();
    driver.add_listener(LISTENER, &listener).expect("add");
    driver.wait(Some(Duration::ZERO), &mut Vec::new()).expect("wait");

    let _client = {
        // The client needs a descriptor of its own, taken before they are gone; the accept comes after.
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let client = client.expect("socket");
        let taken = take_all_descriptors();
        let address: std::net::SocketAddr = address.parse().expect("address");
        client.connect(&address.into()).expect("the kernel completes the handshake");
        let error = next_accept(&mut *driver, &listener).err().expect("no descriptor is free");
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{}: {error}", driver.name());
        driver.pause_listener(LISTENER, true);
        drop(taken);
        TcpStream::from(client)
    };

    driver.pause_listener(LISTENER, false);
    let accepted = next_accept(&mut *driver, &listener).expect("the connection waited");
    assert_eq!(accepted.info().peer_address, "127.0.0.1");
}

#[test]
fn a_listener_survives_the_lack_of_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).expect("lowered");
    survives_exhaustion(DriverChoice::Epoll);
    match available() {
        Ok(()) => survives_exhaustion(DriverChoice::Uring),
        Err(why) => eprintln!("io_uring not tested: {why}"),
    }
}
