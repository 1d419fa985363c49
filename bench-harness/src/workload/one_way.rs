//! PUSH/PULL at a fixed rate: how late a message is when the world does not wait for the sender.
//!
//! An open loop. Each message carries when it *should* have left and when it did. Receive minus
//! intended is the latency a user sees; receive minus actual send is shown beside it, because the
//! difference is the time the sender itself was held up.

use anyhow::{Result, bail, ensure};

use super::message::{
    Header, SequenceCheck, check_pattern, end_message, read_word, write_pattern, write_word,
};
use super::{Job, Load, RoleReport};
use crate::clock::{MILLISECOND_NS, SECOND_NS, Schedule, now_ns, wait_until};
use crate::histogram::Latencies;
use crate::peer::{Peer, PeerSocket};

const INTENDED_WORD: usize = 1;
const ACTUAL_WORD: usize = 2;
/// A sender that needs this many times its schedule gives up and says how many it never sent.
const OVERRUN_LIMIT: u64 = 3;
/// … but not before this: a moment without the processor is no overload.
const OVERRUN_MIN_NS: u64 = 2 * SECOND_NS;

/// The sender: keeps the schedule, and when late sends at once until it caught up.
pub fn send<P: Peer>(job: &mut Job<'_, P>, socket: &mut P::Socket) -> Result<RoleReport> {
    let Load::OpenLoop { rate_per_second, burst_messages } = job.workload.load else {
        bail!("{:?} has no schedule", job.workload.load);
    };
    let (size, setting) = (job.size(), job.setting);
    let mut message = vec![0; size];
    let start_ns = now_ns();
    let schedule = Schedule::new(start_ns, rate_per_second).in_bursts_of(burst_messages);
    let warm_up_messages = schedule.messages_in(setting.warm_up_ns);
    let all_messages = schedule.messages_in(setting.warm_up_ns + setting.duration_ns);
    ensure!(
        all_messages > warm_up_messages,
        "no message falls due within {} ms at {rate_per_second} per second; raise --duration-ms",
        setting.duration_ns / MILLISECOND_NS
    );
    let give_up_ns =
        start_ns + setting.warm_up_ns + OVERRUN_MIN_NS.max(OVERRUN_LIMIT * setting.duration_ns);

    let mut sent_ns = start_ns;
    let mut measured_from_ns = None;
    let mut sent = 0;
    for index in 0..all_messages {
        let header = match index.checked_sub(warm_up_messages) {
            None => Header::WarmUp,
            Some(sequence) => Header::Measured(sequence),
        };
        let intended_ns = schedule.intended_ns(index);
        header.write(&mut message);
        write_word(&mut message, INTENDED_WORD, intended_ns);
        write_pattern(&mut message, sent);
        sent_ns = wait_until(intended_ns, setting.pace);
        write_word(&mut message, ACTUAL_WORD, sent_ns);
        if matches!(header, Header::Measured(0)) {
            job.meter.begin();
            measured_from_ns = Some(intended_ns);
        }
        socket.send(&message)?;
        sent += u64::from(matches!(header, Header::Measured(_)));
        if sent_ns > give_up_ns {
            break;
        }
    }
    socket.send(&end_message(size, sent))?;
    Ok(RoleReport {
        messages: sent,
        bytes: sent * size as u64,
        elapsed_ns: sent_ns.saturating_sub(measured_from_ns.unwrap_or(sent_ns)),
        unsent: all_messages - warm_up_messages - sent,
        ..RoleReport::default()
    })
}

/// The receiver: records both latencies of each message and checks that it is whole and none is
/// missing.
pub fn receive<P: Peer>(job: &mut Job<'_, P>, socket: &mut P::Socket) -> Result<RoleReport> {
    let size = job.size();
    let mut message = vec![0; size];
    let mut since_intended = Latencies::new();
    let mut since_actual = Latencies::new();
    let mut check = SequenceCheck::default();
    let (mut first_ns, mut last_ns) = (None, 0);
    loop {
        let received = socket.recv(&mut message)?;
        let received_ns = now_ns();
        match Header::read(&message[..received])? {
            Header::Measured(sequence) => {
                ensure!(
                    received == size,
                    "message {sequence} has {received} B instead of {size} B"
                );
                let intended_ns = read_word(&message, INTENDED_WORD);
                let actual_ns = read_word(&message, ACTUAL_WORD);
                since_intended.record(received_ns.saturating_sub(intended_ns));
                since_actual.record(received_ns.saturating_sub(actual_ns));
                check_pattern(&message, sequence)?;
                check.observe(sequence);
                if first_ns.is_none() {
                    job.meter.begin();
                    first_ns = Some(received_ns);
                }
                last_ns = received_ns;
            }
            Header::WarmUp => {}
            Header::End => break,
            Header::Greeting => bail!("a second greeting came in the middle of the measurement"),
        }
    }
    Ok(RoleReport {
        messages: check.received,
        bytes: check.received * size as u64,
        elapsed_ns: last_ns - first_ns.unwrap_or(last_ns),
        lost: check.lost(read_word(&message, 1)),
        reordered: check.reordered,
        latency: Some(since_intended.to_samples()),
        latency_since_send: Some(since_actual.to_samples()),
        ..RoleReport::default()
    })
}
