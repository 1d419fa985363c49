//! PUSH/PULL as fast as it goes: what arrives, timed where it arrives.
//!
//! Counting at the sender would count what is still in queues. The receiver starts its clock at the
//! first measured message, when the warm-up has already filled every queue, and stops it at the
//! last.

use anyhow::{Result, bail};

use super::{Header, RoleReport, SequenceCheck, end_message, read_word};
use crate::clock::now_ns;
use crate::peer::PeerSocket;
use crate::role::Setting;

/// Above this message size the sender looks at the clock for each message, below every 64th, so
/// that reading it does not become the measurement.
const CLOCK_EVERY_MESSAGE_BYTES: usize = 4096;

/// The sender: warm-up and measured messages without a pause, then the end message.
pub fn send<S: PeerSocket>(socket: &mut S, size: usize, setting: &Setting) -> Result<RoleReport> {
    let mut message = vec![0; size];
    let clock_mask = if size >= CLOCK_EVERY_MESSAGE_BYTES { 0 } else { 63 };

    Header::WarmUp.write(&mut message);
    let warm_until_ns = now_ns() + setting.warm_up_ns;
    let mut warmed = 0_u64;
    while warmed & clock_mask != 0 || now_ns() < warm_until_ns {
        socket.send(&message)?;
        warmed += 1;
    }

    let started_ns = now_ns();
    let mut sequence = 0;
    while sequence == 0 || sequence & clock_mask != 0 || now_ns() - started_ns < setting.duration_ns
    {
        Header::Measured(sequence).write(&mut message);
        socket.send(&message)?;
        sequence += 1;
    }
    socket.send(&end_message(size, sequence))?;
    Ok(RoleReport {
        messages: sequence,
        bytes: sequence * size as u64,
        elapsed_ns: now_ns() - started_ns,
        ..RoleReport::default()
    })
}

/// The receiver: checks each sequence number, and times the first measured message to the end.
pub fn receive<S: PeerSocket>(socket: &mut S, size: usize) -> Result<RoleReport> {
    let mut message = vec![0; size];
    let mut check = SequenceCheck::default();
    let mut first_ns = 0;
    loop {
        let received = socket.recv(&mut message)?;
        match Header::read(&message[..received])? {
            Header::Measured(sequence) => {
                if check.received == 0 {
                    first_ns = now_ns();
                }
                if received != size {
                    bail!("message {sequence} has {received} B instead of {size} B");
                }
                check.observe(sequence);
            }
            Header::WarmUp => {}
            Header::End => break,
            Header::Greeting => bail!("a second greeting came in the middle of the measurement"),
        }
    }
    let last_ns = now_ns();
    if check.received == 0 {
        bail!("none of {} measured messages arrived before the end", read_word(&message, 1));
    }
    // The first message starts the clock and the end message stops it, so as many messages passed
    // between the two as were received.
    Ok(RoleReport {
        messages: check.received,
        bytes: check.received * size as u64,
        elapsed_ns: last_ns - first_ns,
        lost: check.lost(read_word(&message, 1)),
        reordered: check.reordered,
        ..RoleReport::default()
    })
}
