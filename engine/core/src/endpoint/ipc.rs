//! Addresses of the ipc transport.

use std::fmt;

use super::EndpointError;

/// Longest path that fits `sun_path` of 108 bytes with its NUL.
const MAX_PATH_BYTES: usize = 107;

/// Where an ipc socket lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IpcAddress {
    /// A file, absolute or relative to the process directory; at most 107 bytes.
    Path(String),
    /// A name in Linux' abstract namespace, without the leading `@`; not empty, at most 106 bytes.
    Abstract(String),
    /// Bind only: a socket in a new private directory.
    Wildcard,
}

impl IpcAddress {
    /// Parses the address of a bind. Anything that starts with `*` is the wildcard.
    ///
    /// # Errors
    /// [`EndpointError::PathTooLong`] (`ENAMETOOLONG`) from 108 bytes on;
    /// [`EndpointError::MissingAbstractName`], [`EndpointError::MissingAddress`] and
    /// [`EndpointError::ContainsNul`] (`EINVAL`).
    pub fn parse_bind(address: &str) -> Result<Self, EndpointError> {
        if address.starts_with('*') {
            return Ok(Self::Wildcard);
        }
        Self::parse_connect(address)
    }

    /// Parses the address of a connect, where `*` is an ordinary file name.
    ///
    /// # Errors
    /// As for [`parse_bind`](Self::parse_bind).
    pub fn parse_connect(address: &str) -> Result<Self, EndpointError> {
        let bytes = address.len();
        if bytes > MAX_PATH_BYTES {
            return Err(EndpointError::PathTooLong { bytes, max_bytes: MAX_PATH_BYTES });
        }
        if address.is_empty() {
            return Err(EndpointError::MissingAddress);
        }
        if address.contains('\0') {
            return Err(EndpointError::ContainsNul);
        }
        match address.strip_prefix('@') {
            Some("") => Err(EndpointError::MissingAbstractName),
            Some(name) => Ok(Self::Abstract(name.to_owned())),
            None => Ok(Self::Path(address.to_owned())),
        }
    }
}

impl fmt::Display for IpcAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Abstract(name) => write!(f, "@{name}"),
            Self::Wildcard => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        let path = |text: &str| Ok(IpcAddress::Path(text.to_owned()));
        assert_eq!(IpcAddress::parse_bind("/tmp/a"), path("/tmp/a"));
        assert_eq!(IpcAddress::parse_bind("rel/a"), path("rel/a"));
        assert_eq!(IpcAddress::parse_bind("@a"), Ok(IpcAddress::Abstract("a".to_owned())));
        assert_eq!(IpcAddress::parse_bind("*"), Ok(IpcAddress::Wildcard));
        assert_eq!(IpcAddress::parse_bind("*x"), Ok(IpcAddress::Wildcard));
        assert_eq!(IpcAddress::parse_connect("*"), path("*"));
    }

    #[test]
    fn limits() {
        assert!(IpcAddress::parse_bind(&"p".repeat(107)).is_ok());
        let error = IpcAddress::parse_bind(&"p".repeat(108)).expect_err("too long");
        assert_eq!(error.errno(), 36);
        for (text, errno) in [("@", 22), ("", 22), ("a\0b", 22)] {
            let error = IpcAddress::parse_connect(text).expect_err(text);
            assert_eq!(error.errno(), errno);
        }
    }
}
