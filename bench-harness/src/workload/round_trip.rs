//! REQ/REP ping-pong: how long one question takes when nothing else is going on, at once after the
//! last one or after a pause.
//!
//! A closed loop: the next request leaves after the answer came, so a stall delays the requests
//! that would have met it and hides most of itself. The report says so; the open loop in
//! `one_way.rs` is the measurement that does not.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::message::{Header, check_pattern, end_message, write_pattern};
use super::{Job, Load, RoleReport};
use crate::clock::{Pace, now_ns, wait_until};
use crate::histogram::Latencies;
use crate::peer::{Peer, PeerSocket};

/// Shorter pauses are spent spinning: a sleep ends tens of microseconds late.
const SLEEP_FROM_NS: u64 = 50_000;
/// After a pause at least this many requests are measured, however long that takes.
const GAP_SAMPLES_MIN: u64 = 10;

/// The requester: warms up, then measures each round trip until the time is over.
pub fn ask<P: Peer>(job: &mut Job<'_, P>, socket: &mut P::Socket) -> Result<RoleReport> {
    let Load::ClosedLoop { gap_ns } = job.workload.load else {
        bail!("{:?} does not wait for answers", job.workload.load);
    };
    let size = job.size();
    let mut request = vec![0; size];
    let mut answer = vec![0; size];
    // The greeting was a request too.
    expect(socket, &mut answer, Header::Greeting)?;

    let warm_until_ns = now_ns() + job.setting.warm_up_ns;
    while now_ns() < warm_until_ns {
        Header::WarmUp.write(&mut request);
        socket.send(&request)?;
        expect(socket, &mut answer, Header::WarmUp)?;
    }

    let samples_min = if gap_ns > 0 { GAP_SAMPLES_MIN } else { 0 };
    let mut latencies = Latencies::new();
    job.meter.begin();
    let started_ns = now_ns();
    let mut answered_ns = started_ns;
    let mut sequence = 0;
    while answered_ns - started_ns < job.setting.duration_ns || sequence < samples_min {
        Header::Measured(sequence).write(&mut request);
        write_pattern(&mut request, sequence);
        pause(gap_ns);
        let asked_ns = now_ns();
        socket.send(&request)?;
        let received = socket.recv(&mut answer)?;
        answered_ns = now_ns();
        latencies.record(answered_ns - asked_ns);
        ensure!(received == size, "answer {sequence} has {received} B instead of {size} B");
        let header = Header::read(&answer)?;
        ensure!(header == Header::Measured(sequence), "answer to {sequence} was {header:?}");
        check_pattern(&answer, sequence)?;
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

fn pause(gap_ns: u64) {
    if gap_ns >= SLEEP_FROM_NS {
        std::thread::sleep(Duration::from_nanos(gap_ns));
    } else if gap_ns > 0 {
        wait_until(now_ns() + gap_ns, Pace::Spin);
    }
}

/// The responder: sends everything back until the end message, which it sends back too.
pub fn answer<P: Peer>(job: &mut Job<'_, P>, socket: &mut P::Socket) -> Result<RoleReport> {
    let mut report = RoleReport::default();
    let mut message = Header::Greeting.message(job.size());
    socket.send(&message)?;
    loop {
        let received = socket.recv(&mut message)?;
        socket.send(&message[..received])?;
        match Header::read(&message[..received])? {
            Header::End => return Ok(report),
            Header::Measured(sequence) => {
                if sequence == 0 {
                    job.meter.begin();
                }
                report.messages += 1;
            }
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
