//! PUSH/PULL at a fixed rate: how late a message is when the world does not wait for the sender.
//!
//! An open loop. Each message carries when it *should* have left and when it did. Receive minus
//! intended is the latency a user sees; receive minus actual send is shown beside it, because the
//! difference is the time the sender itself was held up.

use anyhow::{Result, bail, ensure};

use super::{Header, RoleReport, SequenceCheck, end_message, read_word, write_word};
use crate::clock::{MILLISECOND_NS, Schedule, now_ns, wait_until};
use crate::histogram::Latencies;
use crate::peer::PeerSocket;
use crate::role::Setting;

const INTENDED_WORD: usize = 1;
const ACTUAL_WORD: usize = 2;
/// A sender that needs this many times its schedule gives up; the report says what it reached.
const OVERRUN_LIMIT: u64 = 3;

/// The sender: keeps the schedule, and when late sends at once until it caught up.
pub fn send<S: PeerSocket>(
    socket: &mut S,
    size: usize,
    rate_per_second: u64,
    setting: &Setting,
) -> Result<RoleReport> {
    let mut message = vec![0; size];
    let start_ns = now_ns();
    let schedule = Schedule::new(start_ns, rate_per_second);
    let warm_up_messages = schedule.messages_in(setting.warm_up_ns);
    let all_messages = schedule.messages_in(setting.warm_up_ns + setting.duration_ns);
    ensure!(
        all_messages > warm_up_messages,
        "no message falls due within {} ms at {rate_per_second} per second; raise --duration-ms",
        setting.duration_ns / MILLISECOND_NS
    );
    let give_up_ns = start_ns + setting.warm_up_ns + OVERRUN_LIMIT * setting.duration_ns;

    let mut sent_ns = start_ns;
    let mut measured_from_ns = None;
    let mut sequence = 0;
    for index in 0..all_messages {
        let header = match index.checked_sub(warm_up_messages) {
            None => Header::WarmUp,
            Some(sequence) => Header::Measured(sequence),
        };
        let intended_ns = schedule.intended_ns(index);
        header.write(&mut message);
        write_word(&mut message, INTENDED_WORD, intended_ns);
        sent_ns = wait_until(intended_ns, setting.pace);
        write_word(&mut message, ACTUAL_WORD, sent_ns);
        socket.send(&message)?;
        if let Header::Measured(number) = header {
            measured_from_ns.get_or_insert(intended_ns);
            sequence = number + 1;
        }
        if sent_ns > give_up_ns {
            break;
        }
    }
    socket.send(&end_message(size, sequence))?;
    Ok(RoleReport {
        messages: sequence,
        bytes: sequence * size as u64,
        elapsed_ns: sent_ns - measured_from_ns.unwrap_or(sent_ns),
        ..RoleReport::default()
    })
}

/// The receiver: records both latencies of each message and checks that none is missing.
pub fn receive<S: PeerSocket>(socket: &mut S, size: usize) -> Result<RoleReport> {
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
                let intended_ns = read_word(&message, INTENDED_WORD);
                let actual_ns = read_word(&message, ACTUAL_WORD);
                since_intended.record(received_ns.saturating_sub(intended_ns));
                since_actual.record(received_ns.saturating_sub(actual_ns));
                check.observe(sequence);
                first_ns.get_or_insert(received_ns);
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
    })
}
