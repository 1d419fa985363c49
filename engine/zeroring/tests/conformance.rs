//! How sockets behave, in one suite for every driver and every transport.
//!
//! A case is a function that takes an [`Env`](support::Env): a context on one driver and a supply of endpoints of one
//! transport. `cases!` turns it into one test per combination that makes sense:
//!
//! | list | runs on |
//! | --- | --- |
//! | `all` | tcp and ipc on io_uring and on epoll, inproc |
//! | `net` | tcp and ipc on io_uring and on epoll |
//! | `tcp` | tcp on io_uring and on epoll |
//! | `ipc` | ipc on io_uring and on epoll |
//! | `inproc` | inproc |
//!
//! No case sleeps: it waits for messages, monitor events or conditions, each with a deadline. When a case has ended its
//! context must end too, with no socket and no connection left; that is checked after each of them.

#[macro_use]
#[path = "conformance/support.rs"]
mod support;

#[path = "conformance/departures.rs"]
mod departures;
#[path = "conformance/endpoints.rs"]
mod endpoints;
#[path = "conformance/event_fd.rs"]
mod event_fd;
#[path = "conformance/flow.rs"]
mod flow;
#[path = "conformance/hostile.rs"]
mod hostile;
#[path = "conformance/lifecycle.rs"]
mod lifecycle;
#[path = "conformance/limits.rs"]
mod limits;
#[path = "conformance/monitoring.rs"]
mod monitoring;
#[path = "conformance/pair.rs"]
mod pair;
#[path = "conformance/pipeline.rs"]
mod pipeline;
#[path = "conformance/polling.rs"]
mod polling;
#[path = "conformance/proxying.rs"]
mod proxying;
#[path = "conformance/publish.rs"]
mod publish;
#[path = "conformance/reconnect.rs"]
mod reconnect;
#[path = "conformance/request.rs"]
mod request;
#[path = "conformance/routing.rs"]
mod routing;
#[path = "conformance/socks.rs"]
mod socks;
#[path = "conformance/stream.rs"]
mod stream;
#[path = "conformance/subscriptions.rs"]
mod subscriptions;
#[path = "conformance/waiting.rs"]
mod waiting;
#[path = "conformance/xpub.rs"]
mod xpub;
