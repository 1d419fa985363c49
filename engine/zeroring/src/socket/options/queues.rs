//! How much is queued, and for how long calls wait.

use std::time::Duration;

use super::{forever_below_zero, millis_or_forever, options};

options! {
/// Queues and waiting.
impl Kind, example "Dealer" {
    /// Most messages queued towards one peer; 0 means no limit, which lets a stuck peer take all memory. A message of
    /// several parts counts once. Default 1000, live. Source: `ZMQ_SNDHWM`.
    ///
    /// Over tcp and ipc the kernel's buffers and the peer's own queue come on top. Over inproc the queue holds this plus
    /// the peer's [receive mark](Self::set_recv_hwm); if either is 0, there is no limit.
    send_hwm, set_send_hwm(messages: u32) = "100_000",
        |options| options.send_hwm_messages, |options| options.send_hwm_messages = messages;
    /// Most messages queued from one peer; 0 means no limit. A full queue stops reading from the connection, so that the
    /// peer's queue fills up next. Default 1000, live. Source: `ZMQ_RCVHWM`.
    recv_hwm, set_recv_hwm(messages: u32) = "10",
        |options| options.recv_hwm_messages, |options| options.recv_hwm_messages = messages;
    /// How long sent messages that have not left yet keep leaving after the socket was closed or the endpoint
    /// disconnected. `None`: until they have left, if need be for ever; zero: they are dropped at once. A message has left
    /// when the peer's system has it; one that the own system has, while a peer takes nothing for two seconds, is left to
    /// the system.
    ///
    /// Default `None`; zero for SUB and XSUB, and for all sockets of a context that is not
    /// [blocky](crate::ContextBuilder::blocky). Read when the socket closes. Source: `ZMQ_LINGER`.
    linger, set_linger(linger: Option<Duration>) = "Some(Duration::from_secs(1))",
        |options| forever_below_zero(options.linger_ms),
        |options| options.linger_ms = millis_or_forever(linger);
    /// How long a receive waits. `None`: for ever; zero: not at all. Default `None`. Read by each call. Source:
    /// `ZMQ_RCVTIMEO`.
    recv_timeout_option, set_recv_timeout(timeout: Option<Duration>) = "Some(Duration::from_millis(500))",
        |options| forever_below_zero(options.recv_timeout_ms),
        |options| options.recv_timeout_ms = millis_or_forever(timeout);
    /// How long a send waits. `None`: for ever; zero: not at all. Default `None`. Read by each call. Source:
    /// `ZMQ_SNDTIMEO`.
    send_timeout_option, set_send_timeout(timeout: Option<Duration>) = "Some(Duration::ZERO)",
        |options| forever_below_zero(options.send_timeout_ms),
        |options| options.send_timeout_ms = millis_or_forever(timeout);
    /// Queue only for peers that are connected. Default false: a connected endpoint has a queue even while its peer is
    /// away, and messages wait there. Next connect. Source: `ZMQ_IMMEDIATE`.
    ///
    /// With true, what is queued is lost with the connection.
    immediate, set_immediate(on: bool) = "true",
        |options| options.immediate, |options| options.immediate = on;
    /// Keep only the newest part in each queue (PULL, PUSH, SUB, PUB, DEALER; other types accept and ignore it). Sending
    /// never waits then. Breaks messages of several parts. Default false. To be set before bind and connect. Source:
    /// `ZMQ_CONFLATE`.
    conflate, set_conflate(on: bool) = "true",
        |options| options.conflate, |options| options.conflate = on;
    /// Bit i allows I/O thread i to serve the next endpoints; 0 allows all. Among the allowed ones the least loaded is
    /// chosen. Default 0. Source: `ZMQ_AFFINITY`.
    affinity, set_affinity(io_thread_bits: u64) = "0b11",
        |options| options.io_thread_affinity, |options| options.io_thread_affinity = io_thread_bits;
}
}
