//! Why an endpoint was refused.

use thiserror::Error;

const EINVAL: i32 = 22;
const ENAMETOOLONG: i32 = 36;

/// A malformed endpoint or transport address. The text says what to write instead.
///
/// ```
/// use zeroring_core::endpoint::EndpointError;
/// assert!(EndpointError::MissingScheme.to_string().contains("tcp://127.0.0.1:5555"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// There is no `://`, or nothing before it.
    #[error("an endpoint starts with its transport, as in tcp://127.0.0.1:5555")]
    MissingScheme,
    /// There is nothing after `://`.
    #[error("the address after :// is missing, as in tcp://127.0.0.1:5555")]
    MissingAddress,
    /// A NUL byte, which no transport can carry.
    #[error("an endpoint cannot contain a NUL byte")]
    ContainsNul,
    /// A tcp address without `:port`.
    #[error("{address:?} has no port; write host:port")]
    MissingPort {
        /// The address.
        address: String,
    },
    /// A port that is not a number from 1 to 65535.
    #[error("port {port:?} is not a number up to 65535 (0 or * binds any free port)")]
    BadPort {
        /// The text after the last colon.
        port: String,
    },
    /// A tcp address without host.
    #[error("the host is missing; write * to bind all interfaces")]
    MissingHost,
    /// A host that is neither a literal address nor a possible name.
    #[error("{host:?} is neither an address nor a name; write IPv6 addresses as [::1]")]
    BadHost {
        /// The host.
        host: String,
    },
    /// A wildcard host in a connect.
    #[error("cannot connect to all interfaces; name one host instead of *")]
    WildcardHost,
    /// An empty or impossible scope id, or one on something other than an IPv6 literal.
    #[error("scope {scope:?} must name an interface or its number, after an IPv6 address")]
    BadScope {
        /// The text after `%`.
        scope: String,
    },
    /// A character that connect does not allow.
    #[error("character {seen:?} at byte {at} cannot be part of a tcp address")]
    BadCharacter {
        /// The character.
        seen: char,
        /// Its byte offset in the address.
        at: usize,
    },
    /// An ipc path that does not fit a socket address.
    #[error("the ipc path has {bytes} bytes; the system allows {max_bytes}")]
    PathTooLong {
        /// Length of the path.
        bytes: usize,
        /// Longest path.
        max_bytes: usize,
    },
    /// `ipc://@` without a name.
    #[error("an abstract ipc address needs a name after @")]
    MissingAbstractName,
}

impl EndpointError {
    /// The error number for the C ABI: `ENAMETOOLONG` for a long path, else `EINVAL`.
    ///
    /// ```
    /// assert_eq!(zeroring_core::endpoint::EndpointError::MissingScheme.errno(), 22);
    /// ```
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::PathTooLong { .. } => ENAMETOOLONG,
            _ => EINVAL,
        }
    }
}
