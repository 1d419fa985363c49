//! Every pattern in every role: we bind and connect, over tcp and ipc, on both drivers; small, large and multipart.

use zeroring::DriverChoice;
use zeroring::SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

use crate::content::Content;
use crate::peer::{Libzmq, Peer};
use crate::roles::Does::{Echo, Request, Sink, Source};
use crate::roles::Ours;
use crate::support::{Env, Via, run};

/// What one pairing is: our side, the peer's role with its options, parts per message, and the topic in front.
struct Pairing {
    ours: Ours,
    theirs: &'static str,
    parts: usize,
    topic: Option<&'static str>,
}

/// A module of tests for each pairing.
macro_rules! pairings {
    ($($name:ident: $ours:expr, $theirs:literal, $parts:literal $(, $topic:literal)?;)*) => {
        $(mod $name {
            use super::*;

            fn pairing() -> Pairing {
                let topic = None;
                $(let topic = topic.or(Some($topic));)?
                Pairing { ours: $ours, theirs: $theirs, parts: $parts, topic }
            }

            #[test]
            fn tcp_epoll() {
                run(Via::Tcp, DriverChoice::Epoll, |env| meet(env, &pairing(), false));
            }

            #[test]
            fn tcp_uring() {
                run(Via::Tcp, DriverChoice::Uring, |env| meet(env, &pairing(), true));
            }

            #[test]
            fn ipc_epoll() {
                run(Via::Ipc, DriverChoice::Epoll, |env| meet(env, &pairing(), true));
            }

            #[test]
            fn ipc_uring() {
                run(Via::Ipc, DriverChoice::Uring, |env| meet(env, &pairing(), false));
            }

            #[test]
            fn system_libzmq() {
                run(Via::Tcp, DriverChoice::Auto, |env| {
                    meet_with(env, Libzmq::System, &pairing(), Content::small(), true);
                });
            }
        })*
    };
}

pairings! {
    rep_req: Ours::new(Echo, Rep), "request --type REQ", 2;
    rep_dealer: Ours::new(Echo, Rep), "request --type DEALER --envelope", 1;
    router_req: Ours::new(Echo, Router), "request --type REQ --routing-id me", 1;
    router_dealer: Ours::new(Echo, Router), "request --type DEALER", 3;
    dealer_dealer: Ours::new(Echo, Dealer), "request --type DEALER", 2;
    req_rep: Ours::new(Request, Req), "echo --type REP", 2;
    req_router: Ours::new(Request, Req), "echo --type ROUTER", 1;
    dealer_rep: Ours::new(Request, Dealer).with_envelope(), "echo --type REP", 1;
    dealer_router: Ours::new(Request, Dealer), "echo --type ROUTER", 3;
    dealer_asks_dealer: Ours::new(Request, Dealer), "echo --type DEALER", 2;
    push_pull: Ours::new(Source, Push), "sink --type PULL", 3;
    pull_push: Ours::new(Sink, Pull), "source --type PUSH", 3;
    dealer_to_router: Ours::new(Source, Dealer), "sink --type ROUTER", 1;
    router_from_dealer: Ours::new(Sink, Router), "source --type DEALER", 2;
    router_to_dealer: Ours::new(Source, Router).to("me"), "sink --type DEALER --routing-id me", 1;
    dealer_from_router: Ours::new(Sink, Dealer).called("us"), "source --type ROUTER --to us", 2;
    router_to_router: Ours::new(Source, Router).to("me"), "sink --type ROUTER --routing-id me", 2;
    router_from_router: Ours::new(Sink, Router).called("us"), "source --type ROUTER --to us", 1;
    pair_to_pair: Ours::new(Source, Pair), "sink --type PAIR", 2;
    pair_from_pair: Ours::new(Sink, Pair), "source --type PAIR", 1;
    pub_sub: Ours::new(Source, Pub), "sink --type SUB --subscribe a", 1, "ab";
    pub_xsub: Ours::new(Source, Pub), "sink --type XSUB --subscribe ab", 2, "ab";
    xpub_sub: Ours::new(Source, XPub), "sink --type SUB --subscribe a", 2, "ab";
    xpub_xsub: Ours::new(Source, XPub), "sink --type XSUB --subscribe ab", 1, "ab";
    sub_pub: Ours::new(Sink, Sub), "source --type PUB", 1, "ab";
    sub_xpub: Ours::new(Sink, Sub), "source --type XPUB", 2, "ab";
    xsub_pub: Ours::new(Sink, XSub), "source --type PUB", 2, "ab";
    xsub_xpub: Ours::new(Sink, XSub), "source --type XPUB", 1, "ab";
}

/// Small content both ways round. Large content takes the peer a while: over tcp we bind, over ipc the peer does.
fn meet(env: &Env, pairing: &Pairing, with_large: bool) {
    for we_bind in [true, false] {
        meet_with(env, Libzmq::Bundled, pairing, Content::small(), we_bind);
    }
    if with_large {
        meet_with(env, Libzmq::Bundled, pairing, Content::large(), env.via == Via::Tcp);
    }
}

fn meet_with(env: &Env, libzmq: Libzmq, pairing: &Pairing, content: Content, we_bind: bool) {
    let content = Content { parts: pairing.parts, topic: pairing.topic, ..content };
    let socket = pairing.ours.socket(&env.context);
    let endpoint = env.endpoint("meeting");
    let start = |attach: &str, endpoint: &str| {
        Peer::start_with(libzmq, pairing.theirs, attach, endpoint, &content.options())
    };
    let peer = if we_bind {
        let bound = socket.bind(&endpoint).expect("a fresh endpoint");
        start("connect", &bound)
    } else {
        let peer = start("bind", &endpoint);
        socket.connect(&peer.endpoint).expect("valid");
        peer
    };
    pairing.ours.play(&socket, &content);
    drop(socket); // what is queued lingers
    peer.finish();
}
