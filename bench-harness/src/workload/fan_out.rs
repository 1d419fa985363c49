//! PUB to many SUB in one process: deliveries per second.
//!
//! A publisher drops what a subscriber's queue has no room for, which is its nature and would make
//! every rate look good. So it sends in windows that fit into the queues, at most two of them
//! unread, and the subscribers' process acknowledges each window on a PUSH/PULL pair of the same
//! library. No message is lost, nobody needs an option, and a subscriber that never reads holds up
//! nobody: it is not asked.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::message::{Header, SequenceCheck, end_message, read_word};
use super::throughput::MESSAGES_PER_LOOK;
use super::{Job, Pattern, RoleReport};
use crate::affinity;
use crate::clock::now_ns;
use crate::peer::{Peer, PeerSocket, SocketKind};
use crate::role::Side;

/// Windows on the way at once.
const WINDOWS: u32 = 2;
/// A batch of libzmq's, 8 KiB, holds so many messages of 64 bytes.
const UNCOUNTED_MESSAGES_MAX: u32 = 128;
/// After the first greeting; every pause is twice the last one, so that they do not fill the queues
/// of subscribers who connected early and are not read yet.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(128);

/// As much as is safe: the rate shall not depend on how fast acknowledgements travel. Credit comes back in steps of up to
/// half the queue, and a library whose I/O thread was interrupted right after a write has not counted that batch yet: two
/// windows fit into what is left, or fill a fifth of a small queue.
fn window(hwm_messages: i32, messages_max: u32) -> u32 {
    match hwm_messages as u32 {
        0 => messages_max,
        hwm => {
            let left = (hwm / 2).saturating_sub(UNCOUNTED_MESSAGES_MAX);
            (left / WINDOWS).max(hwm / (4 * WINDOWS + 2)).clamp(1, messages_max)
        }
    }
}

/// Subscribers that read, those that do not, and the messages of a window.
fn setting<P: Peer>(job: &Job<'_, P>) -> Result<(u32, u32, u32)> {
    match job.workload.pattern {
        Pattern::FanOut { subscribers, stuck, window_messages_max } => {
            let window = window(job.setting.peer.hwm_messages, window_messages_max);
            Ok((subscribers, stuck, window))
        }
        other => bail!("{other:?} has no subscribers"),
    }
}

/// The publisher.
pub fn publish<P: Peer>(job: &mut Job<'_, P>) -> Result<RoleReport> {
    let (subscribers, _, window) = setting(job)?;
    let size = job.size();
    let mut publisher = job.socket(SocketKind::Pub)?;
    let mut acknowledged = job.socket(SocketKind::Pull)?;
    affinity::pin(job.setting.core(Side::Binder))?;
    let endpoint = publisher.bind(&job.setting.endpoint).context("the publisher")?;
    let second = acknowledged.bind(&job.setting.second_endpoint()).context("acknowledgements")?;
    job.control.announce(&[&endpoint, &second])?;
    let mut pause = FIRST_PAUSE;
    while !job.control.ready_within(pause)? {
        publisher.send(&Header::Greeting.message(size))?;
        pause = LONGEST_PAUSE.min(2 * pause);
    }

    let mut flow = Flow { window, sent: 0, unread: 0 };
    let mut message = Header::WarmUp.message(size);
    let warm_until_ns = now_ns() + job.setting.warm_up_ns;
    let mut warmed = 0_u64;
    while !warmed.is_multiple_of(MESSAGES_PER_LOOK) || now_ns() < warm_until_ns {
        flow.send(&mut publisher, &mut acknowledged, &message)?;
        warmed += 1;
    }
    job.meter.begin();
    let started_ns = now_ns();
    let mut sequence = 0_u64;
    while sequence == 0
        || !sequence.is_multiple_of(MESSAGES_PER_LOOK)
        || now_ns() - started_ns < job.setting.duration_ns
    {
        Header::Measured(sequence).write(&mut message);
        flow.send(&mut publisher, &mut acknowledged, &message)?;
        sequence += 1;
    }
    flow.send(&mut publisher, &mut acknowledged, &end_message(size, sequence))?;
    let elapsed_ns = now_ns() - started_ns;
    job.control.await_done()?;
    let messages = sequence * u64::from(subscribers);
    Ok(RoleReport {
        messages,
        bytes: messages * size as u64,
        elapsed_ns,
        usage: job.meter.end(),
        ..RoleReport::default()
    })
}

/// How far the publisher may be ahead.
struct Flow {
    window: u32,
    sent: u32,
    unread: u32,
}

impl Flow {
    #[inline]
    fn send<S: PeerSocket>(
        &mut self,
        publisher: &mut S,
        acknowledged: &mut S,
        message: &[u8],
    ) -> Result<()> {
        if self.sent == self.window {
            (self.sent, self.unread) = (0, self.unread + 1);
            if self.unread == WINDOWS {
                let mut acknowledgement = [0; 64];
                acknowledged.recv(&mut acknowledgement)?;
                publisher.take_credit()?;
                self.unread -= 1;
            }
        }
        self.sent += 1;
        publisher.send(message)
    }
}

/// All subscribers, read in turn, a window from each.
pub fn subscribe<P: Peer>(job: &mut Job<'_, P>) -> Result<RoleReport> {
    let (subscribers, stuck, window) = setting(job)?;
    let size = job.size();
    let all = (0..subscribers + stuck).map(|_| job.socket(SocketKind::Sub));
    let mut sockets = all.collect::<Result<Vec<_>>>().context("the subscribers")?;
    let mut acknowledge = job.socket(SocketKind::Push)?;
    affinity::pin(job.setting.core(Side::Connector))?;
    let endpoints = job.control.await_endpoints()?;
    let [endpoint, second] = endpoints.as_slice() else {
        bail!("{} endpoints were announced instead of two", endpoints.len());
    };
    acknowledge.connect(second)?;
    for socket in &mut sockets {
        socket.subscribe_to_all()?;
        socket.connect(endpoint).context("a subscriber")?;
    }
    let mut message = vec![0; size];
    for socket in &mut sockets {
        let received = socket.recv(&mut message)?;
        let header = Header::read(&message[..received])?;
        ensure!(header == Header::Greeting, "a subscriber was greeted by {header:?}");
    }
    job.control.ready()?;

    let readers = &mut sockets[..subscribers as usize];
    let mut checks = vec![SequenceCheck::default(); readers.len()];
    let mut count = Count { first_ns: None, ended: 0, sent: 0 };
    while count.ended == 0 {
        for (socket, check) in readers.iter_mut().zip(&mut checks) {
            read_window(job, socket, check, &mut count, &mut message, window)?;
        }
        // At the end nobody waits for it, and nobody has to.
        if count.ended == 0 {
            acknowledge.send(&Header::WarmUp.message(size.min(64)))?;
        }
    }
    let last_ns = now_ns();
    let usage = job.meter.end();
    let received: Vec<_> = checks.iter().map(|check| (check.received, check.expected)).collect();
    ensure!(
        count.ended == subscribers,
        "{} of {subscribers} subscribers ended; received, and expected next: {received:?}",
        count.ended
    );
    let Some(first_ns) = count.first_ns else { bail!("no measured message arrived") };
    job.control.done()?;
    let messages = checks.iter().map(|check| check.received).sum();
    Ok(RoleReport {
        messages,
        bytes: messages * size as u64,
        elapsed_ns: last_ns - first_ns,
        lost: count.sent.saturating_sub(messages),
        reordered: checks.iter().map(|check| check.reordered).sum(),
        usage,
        ..RoleReport::default()
    })
}

struct Count {
    first_ns: Option<u64>,
    ended: u32,
    sent: u64,
}

/// Reads one window from one subscriber, or what there is before the end.
fn read_window<P: Peer>(
    job: &mut Job<'_, P>,
    socket: &mut P::Socket,
    check: &mut SequenceCheck,
    count: &mut Count,
    message: &mut [u8],
    window: u32,
) -> Result<()> {
    let mut read = 0;
    while read < window {
        let received = socket.recv(message)?;
        match Header::read(&message[..received])? {
            // Others were still waiting for theirs.
            Header::Greeting => continue,
            Header::WarmUp => {}
            Header::Measured(sequence) => {
                if count.first_ns.is_none() {
                    job.meter.begin();
                    count.first_ns = Some(now_ns());
                }
                ensure!(received == message.len(), "message {sequence} has {received} B");
                check.observe(sequence);
            }
            Header::End => {
                count.sent += read_word(message, 1);
                count.ended += 1;
                return Ok(());
            }
        }
        read += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_windows_always_fit_into_the_queue() {
        for hwm in [1, 2, 3, 8, 1000, 1_000_000] {
            let (window, half) = (window(hwm, 200), hwm as u32 / 2);
            let fits_counted = WINDOWS * window + UNCOUNTED_MESSAGES_MAX <= half;
            let is_small = 2 * WINDOWS * window <= half + 1;
            assert!(window >= 1 && (hwm < 4 || fits_counted || is_small), "{hwm}");
        }
        assert_eq!(window(1000, 200), 186);
        assert_eq!(window(0, 200), 200, "no limit");
    }
}
