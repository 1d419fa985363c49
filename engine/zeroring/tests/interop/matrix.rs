//! Every pattern in every role: we bind and connect, over tcp and ipc, on both drivers; small, large and multipart.

use zeroring::DriverChoice::{self, Auto, Epoll, Uring};
use zeroring::SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

use crate::content::Content;
use crate::peer::{Libzmq, Peer};
use crate::roles::Does::{Echo, Request, Sink, Source};
use crate::roles::Ours;
use crate::support::{Env, Via, at_once, run};

/// What one pairing is: our side, the peer's role with its options, and the topic in front.
#[derive(Clone, Copy)]
struct Pairing {
    ours: Ours,
    theirs: &'static str,
    topic: Option<&'static str>,
}

/// A module of tests for each pairing. Large content takes a while: each transport has it both ways round, spread over
/// the drivers.
macro_rules! pairings {
    ($($name:ident: $ours:expr, $theirs:literal $(, $topic:literal)?;)*) => {
        $(mod $name {
            use super::*;

            fn pairing() -> Pairing {
                let topic = None;
                $(let topic = topic.or(Some($topic));)?
                Pairing { ours: $ours, theirs: $theirs, topic }
            }

            #[test]
            fn tcp_epoll() {
                meet_both_ways(Libzmq::Bundled, pairing(), Via::Tcp, [Epoll; 2], Content::small());
            }

            #[test]
            fn tcp_uring() {
                meet_both_ways(Libzmq::Bundled, pairing(), Via::Tcp, [Uring; 2], Content::small());
            }

            #[test]
            fn ipc_epoll() {
                meet_both_ways(Libzmq::Bundled, pairing(), Via::Ipc, [Epoll; 2], Content::small());
            }

            #[test]
            fn ipc_uring() {
                meet_both_ways(Libzmq::Bundled, pairing(), Via::Ipc, [Uring; 2], Content::small());
            }

            #[test]
            fn large_tcp() {
                let drivers = [Epoll, Uring];
                meet_both_ways(Libzmq::Bundled, pairing(), Via::Tcp, drivers, Content::large());
            }

            #[test]
            fn large_ipc() {
                let drivers = [Uring, Epoll];
                meet_both_ways(Libzmq::Bundled, pairing(), Via::Ipc, drivers, Content::large());
            }

            #[test]
            fn system_tcp() {
                meet_both_ways(Libzmq::System, pairing(), Via::Tcp, [Auto; 2], Content::small());
            }

            #[test]
            fn system_ipc() {
                meet_both_ways(Libzmq::System, pairing(), Via::Ipc, [Auto; 2], Content::small());
            }

            #[test]
            fn system_large() {
                at_once([(Via::Tcp, false), (Via::Ipc, true)], |(via, we_bind)| {
                    run(via, Auto, |env| {
                        meet(env, Libzmq::System, pairing(), Content::large(), we_bind);
                    });
                });
            }
        })*
    };
}

// A message has one part or three, the topic included; some publishers do without a topic, so that what they
// send in one part is not always tiny.
pairings! {
    rep_req: Ours::new(Echo, Rep), "request --type REQ";
    rep_dealer: Ours::new(Echo, Rep), "request --type DEALER --envelope";
    router_req: Ours::new(Echo, Router), "request --type REQ --routing-id me";
    router_dealer: Ours::new(Echo, Router), "request --type DEALER";
    dealer_dealer: Ours::new(Echo, Dealer), "request --type DEALER";
    pair_answers_pair: Ours::new(Echo, Pair), "request --type PAIR";
    req_rep: Ours::new(Request, Req), "echo --type REP";
    req_router: Ours::new(Request, Req), "echo --type ROUTER";
    relaxed_req_rep: Ours::new(Request, Req).relaxed(), "echo --type REP";
    rep_relaxed_req: Ours::new(Echo, Rep), "request --type REQ --req-relaxed 1 --req-correlate 1";
    dealer_rep: Ours::new(Request, Dealer).with_envelope(), "echo --type REP";
    dealer_router: Ours::new(Request, Dealer), "echo --type ROUTER";
    dealer_asks_dealer: Ours::new(Request, Dealer), "echo --type DEALER";
    pair_asks_pair: Ours::new(Request, Pair), "echo --type PAIR";
    push_pull: Ours::new(Source, Push), "sink --type PULL";
    pull_push: Ours::new(Sink, Pull), "source --type PUSH";
    dealer_to_router: Ours::new(Source, Dealer), "sink --type ROUTER";
    router_from_dealer: Ours::new(Sink, Router), "source --type DEALER";
    router_to_dealer: Ours::new(Source, Router).to("me"), "sink --type DEALER --routing-id me";
    dealer_from_router: Ours::new(Sink, Dealer).called("us"), "source --type ROUTER --to us";
    router_to_router: Ours::new(Source, Router).to("me"), "sink --type ROUTER --routing-id me";
    router_from_router: Ours::new(Sink, Router).called("us"), "source --type ROUTER --to us";
    pair_to_pair: Ours::new(Source, Pair), "sink --type PAIR";
    pair_from_pair: Ours::new(Sink, Pair), "source --type PAIR";
    pub_sub: Ours::new(Source, Pub), "sink --type SUB";
    pub_xsub: Ours::new(Source, Pub), "sink --type XSUB --subscribe ab", "ab";
    xpub_sub: Ours::new(Source, XPub), "sink --type SUB --subscribe a", "ab";
    xpub_xsub: Ours::new(Source, XPub), "sink --type XSUB";
    sub_pub: Ours::new(Sink, Sub), "source --type PUB";
    sub_xpub: Ours::new(Sink, Sub), "source --type XPUB", "ab";
    xsub_pub: Ours::new(Sink, XSub), "source --type PUB", "ab";
    xsub_xpub: Ours::new(Sink, XSub), "source --type XPUB";
}

/// We bind on the first driver and connect on the second, at the same time.
fn meet_both_ways(
    libzmq: Libzmq,
    pairing: Pairing,
    via: Via,
    drivers: [DriverChoice; 2],
    content: Content,
) {
    at_once([true, false].into_iter().zip(drivers), |(we_bind, driver)| {
        run(via, driver, |env| meet(env, libzmq, pairing, content, we_bind));
    });
}

fn meet(env: &Env, libzmq: Libzmq, pairing: Pairing, content: Content, we_bind: bool) {
    let content = content.about(pairing.topic);
    let socket = pairing.ours.socket(&env.context);
    let peer = Peer::meet(env, libzmq, pairing.theirs, &socket, &content.options(), we_bind);
    pairing.ours.play(&socket, &content);
    drop(socket); // what is queued lingers
    peer.finish();
}
