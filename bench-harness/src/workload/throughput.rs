//! PUSH/PULL as fast as it goes, from one sender or many: what arrives, timed where it arrives.
//!
//! Counting at the sender would count what is still in queues. The receiver starts its clock at the
//! first measured message, when the warm-up has already filled every queue, and stops it at the
//! last.

use anyhow::{Result, bail, ensure};

use super::message::{Header, SequenceCheck, end_message, read_word, write_word};
use super::{Job, RoleReport};
use crate::clock::now_ns;
use crate::peer::{Peer, PeerSocket};

/// Above this message size a sender looks at the clock for each message, below for every so many, so
/// that reading it does not become the measurement.
const CLOCK_EVERY_MESSAGE_BYTES: usize = 4096;
/// See [`CLOCK_EVERY_MESSAGE_BYTES`].
pub(super) const MESSAGES_PER_LOOK: u64 = 64;
/// Which of several senders a message comes from.
const SENDER_WORD: usize = 1;

/// The sender: warm-up and measured messages without a pause, on each socket in turn, then the end
/// message on all.
pub fn send<P: Peer>(job: &mut Job<'_, P>, sockets: &mut [P::Socket]) -> Result<RoleReport> {
    let (size, parts, setting) = (job.size(), job.workload.parts, job.setting);
    let senders = sockets.len() as u64;
    let mut message = vec![0; size];
    let messages_per_look = if size >= CLOCK_EVERY_MESSAGE_BYTES { 1 } else { MESSAGES_PER_LOOK };

    Header::WarmUp.write(&mut message);
    let warm_until_ns = now_ns() + setting.warm_up_ns;
    let mut warmed = 0_u64;
    while now_ns() < warm_until_ns {
        for _ in 0..messages_per_look {
            send_parts(&mut sockets[(warmed % senders) as usize], &message, parts)?;
            warmed += 1;
        }
    }

    job.meter.begin();
    let started_ns = now_ns();
    let mut sent = 0;
    let (mut sequence, mut sender) = (0, 0);
    write_word(&mut message, SENDER_WORD, 0);
    while sent == 0 || now_ns() - started_ns < setting.duration_ns {
        if let [only] = &mut *sockets {
            for _ in 0..messages_per_look {
                Header::Measured(sequence).write(&mut message);
                send_parts(only, &message, parts)?;
                sequence += 1;
            }
        } else {
            for _ in 0..messages_per_look {
                Header::Measured(sequence).write(&mut message);
                write_word(&mut message, SENDER_WORD, sender as u64);
                send_parts(&mut sockets[sender], &message, parts)?;
                sender += 1;
                if sender == sockets.len() {
                    (sender, sequence) = (0, sequence + 1);
                }
            }
        }
        sent += messages_per_look;
    }
    for (index, socket) in sockets.iter_mut().enumerate() {
        let measured = sequence + u64::from(index < sender);
        send_parts(socket, &end_message(size, measured), parts)?;
    }
    Ok(RoleReport {
        messages: sent,
        bytes: sent * size as u64 * u64::from(parts),
        elapsed_ns: now_ns() - started_ns,
        ..RoleReport::default()
    })
}

/// The receiver: checks the sequence of each sender, and times the first measured message to the
/// last end.
pub fn receive<P: Peer>(
    job: &mut Job<'_, P>,
    socket: &mut P::Socket,
    senders: u32,
) -> Result<RoleReport> {
    let (size, parts) = (job.size(), job.workload.parts);
    let mut message = vec![0; size];
    let mut checks = vec![SequenceCheck::default(); senders as usize];
    let (mut first_ns, mut sent, mut ended) = (None, 0, 0);
    while ended < senders {
        let received = match &mut checks[..] {
            [only] if first_ns.is_some() => recv_in_order(socket, &mut message, parts, only)?,
            _ => recv_parts(socket, &mut message, parts)?,
        };
        match Header::read(&message[..received])? {
            Header::Measured(sequence) => {
                if first_ns.is_none() {
                    job.meter.begin();
                    first_ns = Some(now_ns());
                }
                if received != size {
                    bail!("message {sequence} has {received} B instead of {size} B");
                }
                let sender =
                    if senders == 1 { 0 } else { read_word(&message, SENDER_WORD) as usize };
                let Some(check) = checks.get_mut(sender) else {
                    bail!("message {sequence} comes from sender {sender} of {senders}");
                };
                check.observe(sequence);
            }
            Header::WarmUp => {}
            Header::End => {
                sent += read_word(&message, 1);
                ended += 1;
            }
            Header::Greeting => bail!("a second greeting came in the middle of the measurement"),
        }
    }
    let last_ns = now_ns();
    let Some(first_ns) = first_ns else {
        bail!("none of {sent} measured messages arrived before the end");
    };
    // The first message starts the clock and the end message stops it, so as many messages passed
    // between the two as were received.
    let messages = checks.iter().map(|check| check.received).sum();
    Ok(RoleReport {
        messages,
        bytes: messages * size as u64 * u64::from(parts),
        elapsed_ns: last_ns - first_ns,
        lost: sent.saturating_sub(messages),
        reordered: checks.iter().map(|check| check.reordered).sum(),
        ..RoleReport::default()
    })
}

/// Receives and counts messages of the only sender as long as they are what should come next, so that checking does not
/// become the measurement. Returns the size of the first that is something else.
#[inline(always)]
fn recv_in_order<S: PeerSocket>(
    socket: &mut S,
    message: &mut [u8],
    parts: u32,
    check: &mut SequenceCheck,
) -> Result<usize> {
    let mut next = check.expected;
    let other = loop {
        let received = recv_parts(socket, message, parts)?;
        if received != message.len() || read_word(message, 0) != next {
            break received;
        }
        next += 1;
    };
    check.observe_in_order(next);
    Ok(other)
}

/// A message whose parts are all the same bytes.
#[inline(always)]
fn send_parts<S: PeerSocket>(socket: &mut S, part: &[u8], parts: u32) -> Result<()> {
    if parts == 1 { socket.send(part) } else { send_several(socket, part, parts) }
}

#[inline(never)]
fn send_several<S: PeerSocket>(socket: &mut S, part: &[u8], parts: u32) -> Result<()> {
    for left in (0..parts).rev() {
        socket.send_part(part, left > 0)?;
    }
    Ok(())
}

/// Receives a message of so many parts, no more and no fewer; the size is that of each.
#[inline(always)]
fn recv_parts<S: PeerSocket>(socket: &mut S, part: &mut [u8], parts: u32) -> Result<usize> {
    if parts == 1 { socket.recv(part) } else { recv_several(socket, part, parts) }
}

#[inline(never)]
fn recv_several<S: PeerSocket>(socket: &mut S, part: &mut [u8], parts: u32) -> Result<usize> {
    // Greetings have one part, in every workload.
    let (size, mut more) = socket.recv_part(part)?;
    let mut came = 1;
    while more {
        let (next, follows) = socket.recv_part(part)?;
        ensure!(next == size, "part {came} has {next} B instead of {size} B");
        (came, more) = (came + 1, follows);
    }
    ensure!(came == parts, "a message of {came} parts came instead of {parts}");
    Ok(size)
}
