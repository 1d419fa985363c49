//! What can go wrong in a call: one small enum per operation, each with libzmq's errno and what to do.

use std::io;

use crate::options::OptionError;

/// libzmq's own error numbers.
pub mod errno {
    /// Resource temporarily unavailable.
    pub const EAGAIN: i32 = 11;
    /// Interrupted (also: a call on a context inherited by a forked child).
    pub const EINTR: i32 = 4;
    /// Out of memory.
    pub const ENOMEM: i32 = 12;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// Too many open sockets or files.
    pub const EMFILE: i32 = 24;
    /// No such endpoint.
    pub const ENOENT: i32 = 2;
    /// Not supported by this socket type.
    pub const ENOTSUP: i32 = 95;
    /// Unknown transport.
    pub const EPROTONOSUPPORT: i32 = 93;
    /// Address in use.
    pub const EADDRINUSE: i32 = 98;
    /// Host unreachable.
    pub const EHOSTUNREACH: i32 = 113;
    /// Operation cannot be accomplished in current state.
    pub const EFSM: i32 = 156_384_763;
    /// The transport is not compatible with the socket type.
    pub const ENOCOMPATPROTO: i32 = 156_384_764;
    /// Context was terminated.
    pub const ETERM: i32 = 156_384_765;
    /// No I/O thread is available.
    pub const EMTHREAD: i32 = 156_384_766;
}

/// Why a socket could not be made.
///
/// ```
/// use zeroring_core::error::{SocketError, errno};
/// let error = SocketError::TooManySockets { limit: 3 };
/// assert_eq!(error.errno(), errno::EMFILE);
/// assert!(error.to_string().contains("raise MAX_SOCKETS"));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The context was shut down.
    #[error("the context is terminating; make sockets from a new one")]
    Terminated,
    /// MAX_SOCKETS is reached.
    #[error(
        "the context has its limit of {limit} sockets; close some or raise MAX_SOCKETS before the first socket"
    )]
    TooManySockets {
        /// The limit.
        limit: usize,
    },
    /// The context was inherited by a forked process.
    #[error("the context belongs to the parent process; make a new one after fork")]
    Forked,
    /// The system refused a thread, a ring or a descriptor.
    #[error("the system refused what a socket needs: {source}")]
    Io {
        /// What it said.
        source: io::Error,
    },
}

impl SocketError {
    /// Wraps a system error.
    pub fn io(source: io::Error) -> Self {
        Self::Io { source }
    }

    /// libzmq's error number.
    ///
    /// ```
    /// use zeroring_core::error::{SocketError, errno};
    /// assert_eq!(SocketError::Terminated.errno(), errno::ETERM);
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            Self::Terminated => errno::ETERM,
            Self::TooManySockets { .. } => errno::EMFILE,
            Self::Forked => errno::EINTR,
            Self::Io { source } => source.raw_os_error().unwrap_or(errno::EMFILE),
        }
    }
}

/// Why a part was not sent. The part is still the caller's.
///
/// ```
/// use zeroring_core::error::{SendError, errno};
/// assert_eq!(SendError::WouldBlock.errno(), errno::EAGAIN);
/// assert_eq!(SendError::HostUnreachable.errno(), errno::EHOSTUNREACH);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It cannot be queued now, or not within the timeout.
    #[error(
        "no peer can take the message now (each has reached its high-water mark, or there is none)"
    )]
    WouldBlock,
    /// This type of socket does not send.
    #[error("this type of socket cannot send")]
    NotSupported,
    /// It is not this socket's turn to send.
    #[error("out of turn: {expected}")]
    State {
        /// What has to happen first.
        expected: &'static str,
    },
    /// The addressed peer is not there.
    #[error("no peer has this routing id; start again with the id part")]
    HostUnreachable,
    /// The context is terminating.
    #[error("the context is terminating; close the socket")]
    Terminated,
    /// The socket was inherited by a forked process.
    #[error("the context belongs to the parent process; make a new one after fork")]
    Forked,
    /// The system has no memory for the message.
    #[error("the system has no memory for the message")]
    NoMemory,
    /// The part itself is not acceptable for this type.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
    },
}

impl SendError {
    /// libzmq's error number.
    ///
    /// ```
    /// use zeroring_core::error::{SendError, errno};
    /// assert_eq!(SendError::NotSupported.errno(), errno::ENOTSUP);
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            Self::WouldBlock => errno::EAGAIN,
            Self::NotSupported => errno::ENOTSUP,
            Self::State { .. } => errno::EFSM,
            Self::HostUnreachable => errno::EHOSTUNREACH,
            Self::Terminated => errno::ETERM,
            Self::Forked => errno::EINTR,
            Self::NoMemory => errno::ENOMEM,
            Self::Invalid { .. } => errno::EINVAL,
        }
    }
}

/// Why nothing was received.
///
/// ```
/// use zeroring_core::error::{RecvError, errno};
/// let error = RecvError::State { expected: "send first" };
/// assert_eq!((error.errno(), error.to_string().as_str()), (errno::EFSM, "out of turn: send first"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// Nothing is there, or nothing came within the timeout.
    #[error("no message is there")]
    WouldBlock,
    /// This type of socket does not receive.
    #[error("this type of socket cannot receive")]
    NotSupported,
    /// It is not this socket's turn to receive.
    #[error("out of turn: {expected}")]
    State {
        /// What has to happen first.
        expected: &'static str,
    },
    /// The context is terminating.
    #[error("the context is terminating; close the socket")]
    Terminated,
    /// The socket was inherited by a forked process.
    #[error("the context belongs to the parent process; make a new one after fork")]
    Forked,
}

impl RecvError {
    /// libzmq's error number.
    ///
    /// ```
    /// use zeroring_core::error::{RecvError, errno};
    /// assert_eq!(RecvError::Terminated.errno(), errno::ETERM);
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            Self::WouldBlock => errno::EAGAIN,
            Self::NotSupported => errno::ENOTSUP,
            Self::State { .. } => errno::EFSM,
            Self::Terminated => errno::ETERM,
            Self::Forked => errno::EINTR,
        }
    }
}

/// Why an endpoint was not bound, connected, unbound or disconnected.
///
/// ```
/// use zeroring_core::error::{EndpointFault, errno};
/// let error = EndpointFault::InUse { endpoint: "inproc://a".into() };
/// assert_eq!(error.errno(), errno::EADDRINUSE);
/// ```
#[derive(Debug, thiserror::Error)]
pub enum EndpointFault {
    /// The text is not an endpoint.
    #[error(transparent)]
    Syntax(#[from] crate::endpoint::EndpointError),
    /// No such transport.
    #[error("{endpoint}: this context has no transport {scheme:?}; use tcp, ipc or inproc")]
    UnknownTransport {
        /// The endpoint.
        endpoint: String,
        /// Its scheme.
        scheme: String,
    },
    /// The transport cannot carry this type of socket.
    #[error("{endpoint}: a {kind} socket cannot use this transport; use tcp")]
    IncompatibleTransport {
        /// The endpoint.
        endpoint: String,
        /// The socket's type.
        kind: &'static str,
    },
    /// Somebody has the name already.
    #[error("{endpoint}: the name is taken; unbind the other socket or choose another name")]
    InUse {
        /// The endpoint.
        endpoint: String,
    },
    /// No I/O thread may serve it.
    #[error("{endpoint}: no I/O thread is allowed to serve it; check IO_THREADS and AFFINITY")]
    NoThread {
        /// The endpoint.
        endpoint: String,
    },
    /// The socket has no such endpoint.
    #[error("{endpoint}: not an endpoint of this socket; use the text that last_endpoint() gave")]
    Unknown {
        /// The endpoint.
        endpoint: String,
    },
    /// A routing id for the next connection is in use already.
    #[error("{endpoint}: the routing id set for this connection is in use; choose another one")]
    DuplicateRoutingId {
        /// The endpoint.
        endpoint: String,
    },
    /// The context is terminating.
    #[error("the context is terminating; close the socket")]
    Terminated,
    /// The socket was inherited by a forked process.
    #[error("the context belongs to the parent process; make a new one after fork")]
    Forked,
    /// The system refused.
    #[error("{endpoint}: {source}{}", advice(source))]
    Io {
        /// The endpoint.
        endpoint: String,
        /// What the system said.
        source: io::Error,
    },
}

impl EndpointFault {
    /// libzmq's error number.
    ///
    /// ```
    /// use zeroring_core::error::{EndpointFault, errno};
    /// assert_eq!(EndpointFault::Terminated.errno(), errno::ETERM);
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            Self::Syntax(error) => error.errno(),
            Self::UnknownTransport { .. } => errno::EPROTONOSUPPORT,
            Self::IncompatibleTransport { .. } => errno::ENOCOMPATPROTO,
            Self::InUse { .. } => errno::EADDRINUSE,
            Self::NoThread { .. } => errno::EMTHREAD,
            Self::Unknown { .. } => errno::ENOENT,
            Self::DuplicateRoutingId { .. } => errno::EINVAL,
            Self::Terminated => errno::ETERM,
            Self::Forked => errno::EINTR,
            Self::Io { source, .. } => source.raw_os_error().unwrap_or(errno::EINVAL),
        }
    }
}

/// What can be done about a refusal of the system, to follow its own words.
fn advice(source: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(source) {
        Some(Errno::ADDRINUSE) => "; unbind what listens there, or choose another address or port",
        Some(Errno::ADDRNOTAVAIL) => "; use an address that an interface of this machine has, or *",
        Some(Errno::ACCESS | Errno::PERM) => {
            "; ports below 1024 and files of others take privileges: choose another port or directory"
        }
        Some(Errno::NODEV) => {
            "; no interface or host of this name and IP version: check it and IPV6"
        }
        Some(Errno::NOENT | Errno::NOTDIR) => "; create the directory first",
        Some(Errno::NAMETOOLONG) => "; a path for ipc has at most 107 bytes: choose a shorter one",
        Some(Errno::ROFS) => "; choose a directory that can be written",
        Some(Errno::NOSPC | Errno::DQUOT) => "; free some space, or choose another directory",
        Some(Errno::MFILE) => "; close some sockets, or raise this process's limit of open files",
        Some(Errno::NFILE) => "; the whole system has too many open files: close some",
        Some(Errno::NOMEM | Errno::NOBUFS) => "; the system has no memory for it: close something",
        Some(Errno::AFNOSUPPORT) => "; this machine does not have that IP version: check IPV6",
        Some(Errno::BADF) => "; USE_FD must name an open descriptor of a listening socket",
        _ => "",
    }
}

/// Why an option was not set or read.
///
/// ```
/// use zeroring_core::error::{OptionFault, errno};
/// assert_eq!(OptionFault::Terminated.errno(), errno::ETERM);
/// ```
#[derive(Debug, thiserror::Error)]
pub enum OptionFault {
    /// The option, the value or the type of socket.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The context is terminating.
    #[error("the context is terminating; close the socket")]
    Terminated,
    /// The socket was inherited by a forked process (only EVENTS asks).
    #[error("the context belongs to the parent process; make a new one after fork")]
    Forked,
}

impl OptionFault {
    /// libzmq's error number.
    ///
    /// ```
    /// use zeroring_core::error::{OptionFault, errno};
    /// assert_eq!(OptionFault::Forked.errno(), errno::EINTR);
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            Self::Option(error) => error.errno(),
            Self::Terminated => errno::ETERM,
            Self::Forked => errno::EINTR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn what_the_system_refuses_comes_with_advice() {
        let text = |errno: Errno| {
            let (endpoint, source) = ("tcp://x:1".to_owned(), errno.into());
            EndpointFault::Io { endpoint, source }.to_string()
        };
        for (errno, advice) in [
            (Errno::ADDRINUSE, "choose another address or port"),
            (Errno::ADDRNOTAVAIL, "an interface of this machine"),
            (Errno::ACCESS, "take privileges"),
            (Errno::PERM, "take privileges"),
            (Errno::NODEV, "check it and IPV6"),
            (Errno::NOENT, "create the directory"),
            (Errno::NAMETOOLONG, "107 bytes"),
            (Errno::NOSPC, "free some space"),
            (Errno::MFILE, "limit of open files"),
            (Errno::NOMEM, "no memory"),
        ] {
            let text = text(errno);
            let words = io::Error::from(errno).to_string();
            assert!(text.starts_with(&format!("tcp://x:1: {words}; ")), "{text}");
            assert!(text.contains(advice), "{text}");
        }
        let other = io::Error::from(Errno::IO).to_string();
        assert_eq!(
            text(Errno::IO),
            format!("tcp://x:1: {other}"),
            "no advice is better than bad advice"
        );
    }
}
