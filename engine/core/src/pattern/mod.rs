//! How the socket types route: each is a row of policies.
//!
//! | type | sends by | receives by | wraps |
//! | --- | --- | --- | --- |
//! | PAIR | the one peer | the one peer | – |
//! | PUSH, DEALER | round robin among peers with room | –, fair queue | – |
//! | PULL | – | fair queue | – |
//! | REQ | round robin | the peer asked | request envelope |
//! | REP | the peer that asked | fair queue | reply envelope |
//! | ROUTER, STREAM | first part | fair queue | routing id in front |
//! | PUB, XPUB | fan-out by topic | –, subscription events | – |
//! | SUB, XSUB | upstream to all | fair queue, SUB filters | – |
//!
//! Policies work on [`Pipes`] only: they know no connection, no transport, no thread. The application thread runs them.

mod fair_queue;
mod fan_out;
pub(crate) mod left_behind;
mod load_balancer;
mod pace;
mod pipes;
mod reply;
mod reply_check;
mod request;
mod routing;
mod row;
mod subscriber;
pub mod topic;
mod turns;

pub(crate) use fair_queue::ShortReceived;
pub use pipes::{Pipe, Pipes};
pub use reply_check::ReplyCheck;
pub use row::{Admission, Pattern};

use zeroring_base::SlabPool;
use zeroring_base::time::Clock;

use crate::options::SocketOptions;

/// What a policy works with.
pub struct Scope<'a> {
    /// The socket's pipes.
    pub pipes: &'a mut Pipes,
    /// Memory for what is sent.
    pub pool: &'a mut SlabPool,
    /// The socket's options.
    pub options: &'a SocketOptions,
    /// The time.
    pub clock: &'a Clock,
}

/// Why a policy did not take a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not now.
    WouldBlock,
    /// The addressed peer is not there.
    HostUnreachable,
    /// Not its turn; what has to happen first.
    State(&'static str),
    /// This type does not do that.
    NotSupported,
    /// No memory.
    NoMemory,
}

impl From<zeroring_base::stream::NoMemory> for Refused {
    fn from(_: zeroring_base::stream::NoMemory) -> Self {
        Refused::NoMemory
    }
}

/// The slot of a part that no pipe brought.
pub const NO_SLOT: usize = usize::MAX;
