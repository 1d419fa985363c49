//! REQ/REP ping-pong: how long one question takes when nothing else is going on.
//!
//! A closed loop: the next request leaves after the answer came, so a stall delays the requests
//! that would have met it and hides most of itself. The report says so; the open loop in
//! `one_way.rs` is the measurement that does not.

use anyhow::{Result, ensure};

use super::{Header, RoleReport, end_message};
use crate::clock::now_ns;
use crate::histogram::Latencies;
use crate::peer::PeerSocket;
use crate::role::Setting;

/// The requester: warms up, then measures each round trip until the time is over.
pub fn ask<S: PeerSocket>(socket: &mut S, size: usize, setting: &Setting) -> Result<RoleReport> {
    let mut request = vec![0; size];
    let mut answer = vec![0; size];
    // The greeting was a request too.
    expect(socket, &mut answer, Header::Greeting)?;

    let warm_until_ns = now_ns() + setting.warm_up_ns;
    while now_ns() < warm_until_ns {
        Header::WarmUp.write(&mut request);
        socket.send(&request)?;
        expect(socket, &mut answer, Header::WarmUp)?;
    }

    let mut latencies = Latencies::new();
    let started_ns = now_ns();
    let mut answered_ns = started_ns;
    let mut sequence = 0;
    while answered_ns - started_ns < setting.duration_ns {
        Header::Measured(sequence).write(&mut request);
        let asked_ns = now_ns();
        socket.send(&request)?;
        let received = socket.recv(&mut answer)?;
        answered_ns = now_ns();
        latencies.record(answered_ns - asked_ns);
        let header = Header::read(&answer[..received])?;
        ensure!(header == Header::Measured(sequence), "answer to {sequence} was {header:?}");
        sequence += 1;
    }

    socket.send(&end_message(size, sequence))?;
    expect(socket, &mut answer, Header::End)?;
    Ok(RoleReport {
        messages: sequence,
        bytes: sequence * size as u64,
        elapsed_ns: answered_ns - started_ns,
        latency: Some(latencies.to_samples()),
        ..RoleReport::default()
    })
}

/// The responder: sends everything back until the end message, which it sends back too.
pub fn answer<S: PeerSocket>(socket: &mut S, size: usize) -> Result<RoleReport> {
    let mut report = RoleReport::default();
    let mut message = Header::Greeting.message(size);
    socket.send(&message)?;
    loop {
        let received = socket.recv(&mut message)?;
        socket.send(&message[..received])?;
        match Header::read(&message[..received])? {
            Header::End => return Ok(report),
            Header::Measured(_) => report.messages += 1,
            Header::Greeting | Header::WarmUp => {}
        }
    }
}

fn expect<S: PeerSocket>(socket: &mut S, answer: &mut [u8], wanted: Header) -> Result<()> {
    let received = socket.recv(answer)?;
    let header = Header::read(&answer[..received])?;
    ensure!(header == wanted, "the answer was {header:?} instead of {wanted:?}");
    Ok(())
}
