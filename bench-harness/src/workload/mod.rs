//! The three workloads, and what all of them share: the header inside each message, the order of
//! events between the two sides, and what a side reports.
//!
//! The binder binds and announces its endpoint; the connector connects and sends one greeting; when
//! it arrives the binder says `linked`, and only then does the clock of the connector start. So no
//! connection set-up is ever measured, and no fixed pause is needed. At the end the binder says
//! `done`, and only then does the connector close: libzmq drops what is still in the kernel when
//! the sender of an ipc connection hangs up while the receiver's queue is full.

mod one_way;
mod round_trip;
mod throughput;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::affinity;
use crate::histogram::Samples;
use crate::peer::{Peer, PeerSocket, SocketKind};
use crate::role::{Control, Setting, Side};

/// Room for the sequence word and the send times that the open loop carries.
pub const MESSAGE_BYTES_MIN: usize = 16;
/// Message size of both latency workloads.
pub const LATENCY_MESSAGE_BYTES: usize = 64;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "workload")]
pub enum Workload {
    /// REQ/REP, the next request after the answer (closed loop).
    RoundTrip,
    /// PUSH/PULL at a fixed rate (open loop).
    OneWay {
        /// Messages per second.
        rate_per_second: u64,
    },
    /// PUSH/PULL as fast as it goes.
    Throughput {
        /// Size of each message.
        size_bytes: usize,
    },
}

impl Workload {
    /// The size of every message.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::RoundTrip | Self::OneWay { .. } => LATENCY_MESSAGE_BYTES,
            Self::Throughput { size_bytes } => size_bytes,
        }
    }

    /// A short name for progress, file names and errors.
    pub fn label(self) -> String {
        match self {
            Self::RoundTrip => "round-trip".into(),
            Self::OneWay { rate_per_second } => format!("one-way-{rate_per_second}-per-second"),
            Self::Throughput { size_bytes } => format!("throughput-{size_bytes}-bytes"),
        }
    }
}

/// What one side saw. Fields that a side has nothing to say about stay at zero or absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleReport {
    /// Messages sent, answered or received while measuring.
    pub messages: u64,
    /// Body bytes of those messages.
    pub bytes: u64,
    /// From the first measured message to the last.
    pub elapsed_ns: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Sequence numbers that came after a higher one, or twice.
    pub reordered: u64,
    /// Round trip, or receive minus intended send.
    pub latency: Option<Samples>,
    /// Receive minus actual send, in the open loop.
    pub latency_since_send: Option<Samples>,
}

/// Runs one side of a workload with an opened library and returns what it saw.
pub fn run<P: Peer>(
    peer: &Arc<P>,
    workload: Workload,
    side: Side,
    setting: &Setting,
    control: &mut Control,
) -> Result<RoleReport> {
    let kind = match (workload, side) {
        (Workload::RoundTrip, Side::Connector) => SocketKind::Req,
        (Workload::RoundTrip, Side::Binder) => SocketKind::Rep,
        (_, Side::Connector) => SocketKind::Push,
        (_, Side::Binder) => SocketKind::Pull,
    };
    let mut socket = peer.socket(kind)?;
    socket.set_hwm(setting.hwm_messages)?;
    // Only now, so that the library's own threads, started above, keep every core to choose from.
    affinity::pin(setting.core(side))?;

    let size = workload.size_bytes();
    match side {
        Side::Binder => {
            let endpoint = socket.bind(&setting.endpoint).context("the receiving side")?;
            control.announce(&endpoint)?;
            greeting_received(&mut socket, size)?;
            control.linked()?;
            let report = match workload {
                Workload::RoundTrip => round_trip::answer(&mut socket, size),
                Workload::OneWay { .. } => one_way::receive(&mut socket, size),
                Workload::Throughput { .. } => throughput::receive(&mut socket, size),
            }?;
            control.done()?;
            Ok(report)
        }
        Side::Connector => {
            let endpoint = control.await_endpoint()?;
            socket.connect(&endpoint).context("the sending side")?;
            socket.send(&Header::Greeting.message(size))?;
            control.await_linked()?;
            let report = match workload {
                Workload::RoundTrip => round_trip::ask(&mut socket, size, setting),
                Workload::OneWay { rate_per_second } => {
                    one_way::send(&mut socket, size, rate_per_second, setting)
                }
                Workload::Throughput { .. } => throughput::send(&mut socket, size, setting),
            }?;
            control.await_done()?;
            Ok(report)
        }
    }
}

fn greeting_received<S: PeerSocket>(socket: &mut S, size: usize) -> Result<()> {
    let mut message = vec![0; size];
    let received = socket.recv(&mut message)?;
    match Header::read(&message[..received])? {
        Header::Greeting => Ok(()),
        other => bail!("the first message was {other:?} instead of the greeting: one was lost"),
    }
}

/// The first word of every message: its place in the sequence, or what else it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    /// The first message of a connection.
    Greeting,
    /// Part of the warm-up; not recorded.
    WarmUp,
    /// Measured message number n, from 0.
    Measured(u64),
    /// The last message; the second word says how many were measured.
    End,
}

const GREETING: u64 = u64::MAX;
const WARM_UP: u64 = u64::MAX - 1;
const END: u64 = u64::MAX - 2;

impl Header {
    #[inline]
    fn word(self) -> u64 {
        match self {
            Self::Greeting => GREETING,
            Self::WarmUp => WARM_UP,
            Self::End => END,
            Self::Measured(sequence) => sequence,
        }
    }

    #[inline]
    fn write(self, message: &mut [u8]) {
        write_word(message, 0, self.word());
    }

    #[inline]
    fn read(message: &[u8]) -> Result<Self> {
        if message.len() < MESSAGE_BYTES_MIN {
            bail!("a message of {} B came, at least {MESSAGE_BYTES_MIN} B expected", message.len());
        }
        Ok(match read_word(message, 0) {
            GREETING => Self::Greeting,
            WARM_UP => Self::WarmUp,
            END => Self::End,
            sequence => Self::Measured(sequence),
        })
    }

    /// A fresh message of `size` bytes that starts with this header.
    fn message(self, size: usize) -> Vec<u8> {
        let mut message = vec![0; size];
        self.write(&mut message);
        message
    }
}

/// The last message, telling the receiver how many it should have counted.
fn end_message(size: usize, measured: u64) -> Vec<u8> {
    let mut message = Header::End.message(size);
    write_word(&mut message, 1, measured);
    message
}

#[inline]
fn write_word(message: &mut [u8], index: usize, word: u64) {
    message[index * 8..index * 8 + 8].copy_from_slice(&word.to_le_bytes());
}

#[inline]
fn read_word(message: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&message[index * 8..index * 8 + 8]);
    u64::from_le_bytes(word)
}

/// Checks that measured messages come complete and in order.
#[derive(Debug, Default)]
struct SequenceCheck {
    expected: u64,
    received: u64,
    reordered: u64,
}

impl SequenceCheck {
    #[inline]
    fn observe(&mut self, sequence: u64) {
        self.received += 1;
        if sequence < self.expected {
            self.reordered += 1;
        } else {
            self.expected = sequence + 1;
        }
    }

    /// How many of `sent` messages never came.
    fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_a_message_of_the_smallest_size() {
        for header in [Header::Greeting, Header::WarmUp, Header::End, Header::Measured(7)] {
            assert_eq!(Header::read(&header.message(MESSAGE_BYTES_MIN)).unwrap(), header);
        }
        assert_eq!(read_word(&end_message(MESSAGE_BYTES_MIN, 42), 1), 42);
    }

    #[test]
    fn a_message_too_short_for_a_header_is_named() {
        let error = Header::read(&[0; 15]).unwrap_err().to_string();
        assert!(error.contains("15 B") && error.contains("16 B"), "{error}");
    }

    #[test]
    fn gaps_count_as_lost_and_late_comers_as_reordered() {
        let mut check = SequenceCheck::default();
        for sequence in [0, 1, 3, 2, 6] {
            check.observe(sequence);
        }
        assert_eq!(check.reordered, 1);
        assert_eq!(check.lost(7), 2, "4 and 5 never came");
    }
}
