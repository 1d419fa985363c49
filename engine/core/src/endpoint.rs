//! Endpoint strings such as `tcp://127.0.0.1:5555`, taken apart without touching the system.
//!
//! [`Endpoint`] splits scheme and address and knows nothing about any scheme; who asks decides
//! which schemes exist (an unknown one is `EPROTONOSUPPORT`). The addresses of single transports
//! are parsed by [`TcpBindAddress`], [`TcpConnectAddress`] and [`IpcAddress`]. An inproc address is
//! any text; the whole endpoint string is its key.
//!
//! Nothing is resolved here: names and interfaces are looked up by the transport, for a connect
//! again before each attempt. All values print as text that parses to the same value.

mod error;
mod ipc;
mod tcp;

use std::fmt;

pub use error::EndpointError;
pub use ipc::IpcAddress;
pub use tcp::{BindHost, ConnectHost, Scope, TcpBindAddress, TcpConnectAddress};

/// A split `scheme://address`; both parts are non-empty and free of NUL.
///
/// Two endpoints are equal if their texts are: libzmq finds what to unbind, disconnect, or join
/// inproc by the exact text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    text: String,
    scheme_len: usize,
}

const SEPARATOR: &str = "://";

impl Endpoint {
    /// Splits at the first `://`. The scheme is case-sensitive and not checked further.
    ///
    /// # Errors
    /// [`EndpointError::MissingScheme`], [`EndpointError::MissingAddress`] or
    /// [`EndpointError::ContainsNul`]; all are `EINVAL`.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let Some((scheme, address)) = text.split_once(SEPARATOR) else {
            return Err(EndpointError::MissingScheme);
        };
        if scheme.is_empty() {
            return Err(EndpointError::MissingScheme);
        }
        if address.is_empty() {
            return Err(EndpointError::MissingAddress);
        }
        if text.contains('\0') {
            return Err(EndpointError::ContainsNul);
        }
        Ok(Self { text: text.to_owned(), scheme_len: scheme.len() })
    }

    /// The part before `://`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.text[..self.scheme_len]
    }

    /// The part after `://`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.text[self.scheme_len + SEPARATOR.len()..]
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_separator() {
        let endpoint = Endpoint::parse("inproc://a://b").expect("valid");
        assert_eq!((endpoint.scheme(), endpoint.address()), ("inproc", "a://b"));
        assert_eq!(endpoint.to_string(), "inproc://a://b");
        assert_eq!(Endpoint::parse("TCP://x:1").expect("the caller decides").scheme(), "TCP");
        assert_eq!("ipc://ü".parse::<Endpoint>().expect("valid").address(), "ü");
    }

    #[test]
    fn both_parts_are_needed() {
        for (text, error) in [
            ("", EndpointError::MissingScheme),
            ("tcp", EndpointError::MissingScheme),
            ("tcp:/x", EndpointError::MissingScheme),
            ("://x", EndpointError::MissingScheme),
            ("tcp://", EndpointError::MissingAddress),
            ("inproc://a\0b", EndpointError::ContainsNul),
        ] {
            assert_eq!(error.errno(), 22);
            assert_eq!(Endpoint::parse(text), Err(error), "{text:?}");
        }
    }
}
