//! Why a call failed: one small type per kind of call.
//!
//! Each has `errno()`, the number that libzmq's C interface reports for it, so that programs which compare numbers
//! keep working. Numbers of the operating system are Linux's; ZeroMQ's own start at 156 384 712.
//!
//! | call | error |
//! | --- | --- |
//! | making a socket | [`SocketError`] |
//! | bind, connect, unbind, disconnect | [`EndpointFault`] |
//! | send | [`SendError`] |
//! | receive | [`RecvError`] |
//! | options, subscriptions | [`OptionFault`], which holds an [`OptionError`] |
//! | proxies | [`ProxyError`](crate::proxy::ProxyError) |
//!
//! ```
//! use zeroring::{Context, Pull, error::errno};
//! # let context = Context::new();
//! let pull = context.socket::<Pull>()?;
//! assert_eq!(pull.try_recv().unwrap_err().errno(), errno::EAGAIN);
//! let refused = pull.bind("tcp://127.0.0.1").unwrap_err();
//! assert_eq!(refused.errno(), errno::EINVAL);
//! println!("{refused}"); // says what is missing
//! # Ok::<(), zeroring::SocketError>(())
//! ```

pub use zeroring_core::endpoint::EndpointError;
pub use zeroring_core::error::{
    EndpointFault, OptionFault, RecvError, SendError, SocketError, errno,
};
pub use zeroring_core::options::{ExpectedLength, OptionError};
