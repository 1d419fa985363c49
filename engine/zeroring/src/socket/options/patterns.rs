//! Options of some socket types only. PUB has every XPUB option and REP every ROUTER option, as in libzmq.

use super::options;

options! {
/// Routing by id (RFC 28).
impl Routes, example "Router" {
    /// Report messages that cannot be routed: [`HostUnreachable`](crate::SendError::HostUnreachable) for an unknown id,
    /// waiting or [`WouldBlock`](crate::SendError::WouldBlock) for a full queue. Default false: they are dropped. Live.
    /// Source: `ZMQ_ROUTER_MANDATORY`.
    router_mandatory, set_router_mandatory(on: bool) = "true",
        |options| options.router_mandatory, |options| options.router_mandatory = on;
    /// A new peer takes over a routing id that is in use, and the old connection ends. Default false: the new peer is
    /// ignored while it is connected. Live. Source: `ZMQ_ROUTER_HANDOVER`.
    router_handover, set_router_handover(on: bool) = "true",
        |options| options.router_handover, |options| options.router_handover = on;
    /// Speak raw tcp as STREAM does. Default false. Next bind or connect. Source: `ZMQ_ROUTER_RAW`, deprecated.
    router_raw, set_router_raw(on: bool) = "true",
        |options| options.router_raw, |options| options.router_raw = on;
}
}

options! {
/// Greeting ROUTER peers.
impl Probes, example "Dealer" {
    /// Send an empty message to each new peer, so that a ROUTER learns of us at once. Default false. Live for peers that
    /// come later. Source: `ZMQ_PROBE_ROUTER`.
    probe_router, set_probe_router(on: bool) = "true",
        |options| options.probe_router, |options| options.probe_router = on;
}
}

options! {
/// Requests.
impl Requests, example "Req" {
    /// Number requests, and skip replies that do not carry the number of the last one. Default false. Live. Source:
    /// `ZMQ_REQ_CORRELATE`.
    req_correlate, set_req_correlate(on: bool) = "true",
        |options| options.req_correlate, |options| options.req_correlate = on;
    /// Allow a new request before the reply to the last one, which is given up. Use it together with
    /// [`set_req_correlate`](Self::set_req_correlate), or a late reply is taken for the newer one's. Default false. Live.
    /// Source: `ZMQ_REQ_RELAXED`.
    req_relaxed, set_req_relaxed(on: bool) = "true",
        |options| options.req_relaxed, |options| options.req_relaxed = on;
}
}

options! {
/// Publishing (RFC 29).
impl Publishes, example "XPub" {
    /// Receive every subscription, not only the first of a prefix. Default false. Live. Source: `ZMQ_XPUB_VERBOSE`.
    xpub_verbose, set_xpub_verbose(on: bool) = "true",
        |options| options.xpub_verbose_subscribe && !options.xpub_verbose_unsubscribe,
        |options| {
            options.xpub_verbose_subscribe = on;
            options.xpub_verbose_unsubscribe = false;
        };
    /// Receive every subscription and every unsubscription. Default false. Live. Source: `ZMQ_XPUB_VERBOSER`.
    xpub_verboser, set_xpub_verboser(on: bool) = "true",
        |options| options.xpub_verbose_unsubscribe,
        |options| {
            options.xpub_verbose_subscribe = on;
            options.xpub_verbose_unsubscribe = on;
        };
    /// Wait (or fail) if any subscriber's queue is full, instead of dropping for that one; nobody gets the message then.
    /// Default false. Live. Source: `ZMQ_XPUB_NODROP`.
    xpub_nodrop, set_xpub_nodrop(on: bool) = "true",
        |options| options.xpub_nodrop, |options| options.xpub_nodrop = on;
    /// Let the application decide on subscriptions: requests are received but not followed; after receiving one,
    /// [`subscribe`](Self::subscribe) and [`unsubscribe`](Self::unsubscribe) act for its peer. Default false. Live.
    /// Source: `ZMQ_XPUB_MANUAL`.
    xpub_manual, set_xpub_manual(on: bool) = "true",
        |options| options.xpub_manual, |options| options.xpub_manual = on;
    /// Manual mode in which the next message after a received request goes to that peer alone: a last-value cache.
    /// Default false. Live. Source: `ZMQ_XPUB_MANUAL_LAST_VALUE`.
    xpub_manual_last_value, set_xpub_manual_last_value(on: bool) = "true",
        |options| options.xpub_manual_last_value,
        |options| {
            options.xpub_manual = on;
            options.xpub_manual_last_value = on;
        };
    /// Only the first part of a message from a peer can be a subscription. Default false. Live. Source:
    /// `ZMQ_ONLY_FIRST_SUBSCRIBE`.
    only_first_subscribe, set_only_first_subscribe(on: bool) = "true",
        |options| options.only_first_subscribe, |options| options.only_first_subscribe = on;
    /// First message to each new peer; it arrives only if the peer had subscribed to it before. Empty: none, the
    /// default. Live for peers that come later. Source: `ZMQ_XPUB_WELCOME_MSG`.
    xpub_welcome_message, set_xpub_welcome_message(message: Vec<u8>) = "b\"hello\".to_vec()",
        |options| options.xpub_welcome_message.clone(),
        |options| options.xpub_welcome_message = message;
}
}

options! {
/// Subscribing by messages (RFC 29).
impl SubscribesRaw, example "XSub" {
    /// Send every unsubscription upstream, not only the last of a prefix. Default false. Live. Source:
    /// `ZMQ_XSUB_VERBOSE_UNSUBSCRIBE`.
    xsub_verbose_unsubscribe, set_xsub_verbose_unsubscribe(on: bool) = "true",
        |options| options.xsub_verbose_unsubscribe, |options| options.xsub_verbose_unsubscribe = on;
    /// Only the first part of a sent message can be a subscription. Default false. Live. Source:
    /// `ZMQ_ONLY_FIRST_SUBSCRIBE`.
    xsub_only_first_subscribe, set_xsub_only_first_subscribe(on: bool) = "true",
        |options| options.only_first_subscribe, |options| options.only_first_subscribe = on;
}
}

options! {
/// Raw tcp.
impl Streams, example "Stream" {
    /// Receive an empty part when a peer comes and when it goes. Default true. Next bind or connect. Source:
    /// `ZMQ_STREAM_NOTIFY`.
    stream_notify, set_stream_notify(on: bool) = "false",
        |options| options.stream_notify, |options| options.stream_notify = on;
}
}

options! {
/// Matching of topics.
impl Kind, example "Sub" {
    /// Pass messages that match *no* subscription instead of those that do (PUB, XPUB and SUB; ignored elsewhere). To be
    /// set at both ends. Default false. Live. Source: `ZMQ_INVERT_MATCHING`.
    invert_matching, set_invert_matching(on: bool) = "true",
        |options| options.invert_matching, |options| options.invert_matching = on;
}
}
