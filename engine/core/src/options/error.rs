//! Why an option call was refused. The C ABI reports all of these as `EINVAL`.

use std::fmt;

use thiserror::Error;
use zeroring_zmtp::SocketType;

/// `EINVAL`, the one error number libzmq uses for every refused option.
const EINVAL: i32 = 22;

/// The lengths, in bytes, that would have been accepted.
///
/// ```
/// use zeroring_core::options::ExpectedLength;
/// assert_eq!(ExpectedLength::Between(1, 255).to_string(), "1 to 255");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedLength {
    /// Exactly this many bytes.
    Exactly(usize),
    /// This many bytes or more.
    AtLeast(usize),
    /// Between both bounds, inclusive.
    Between(usize, usize),
}

impl fmt::Display for ExpectedLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(bytes) => write!(f, "exactly {bytes}"),
            Self::AtLeast(bytes) => write!(f, "at least {bytes}"),
            Self::Between(min, max) => write!(f, "{min} to {max}"),
        }
    }
}

/// A refused `set` or `get` of a socket or context option.
///
/// ```
/// use zeroring_core::options::OptionError;
/// let error = OptionError::OutOfRange { name: "TCP_KEEPALIVE", value: 7, min: -1, max: 1 };
/// assert_eq!(error.to_string(), "option TCP_KEEPALIVE: value 7 is outside -1..=1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionError {
    /// No such option, or one that this build does not implement.
    #[error("option {number} does not exist or is not supported by this build")]
    UnknownOption {
        /// The number that was asked for.
        number: i32,
    },
    /// The value or buffer has the wrong size.
    #[error("option {name}: got {seen} bytes, expected {expected}")]
    WrongLength {
        /// Name of the option.
        name: &'static str,
        /// Length of the value or buffer in bytes.
        seen: usize,
        /// Lengths that are accepted.
        expected: ExpectedLength,
    },
    /// A number outside the valid range.
    #[error("option {name}: value {value} is outside {min}..={max}")]
    OutOfRange {
        /// Name of the option.
        name: &'static str,
        /// The value that was given.
        value: i64,
        /// Smallest accepted value.
        min: i64,
        /// Largest accepted value.
        max: i64,
    },
    /// A text or binary value that does not have the option's form.
    #[error("option {name}: {advice}")]
    Malformed {
        /// Name of the option.
        name: &'static str,
        /// The form that is expected.
        advice: &'static str,
    },
    /// The option belongs to other socket types.
    #[error("option {name} does not apply to {socket_type:?} sockets")]
    WrongSocketType {
        /// Name of the option.
        name: &'static str,
        /// Type of the socket that was asked.
        socket_type: SocketType,
    },
    /// The option can only be read.
    #[error("option {name} can only be read")]
    ReadOnly {
        /// Name of the option.
        name: &'static str,
    },
    /// The option can only be written.
    #[error("option {name} can only be written")]
    WriteOnly {
        /// Name of the option.
        name: &'static str,
    },
    /// The option is real, but its answer lives in the socket and not in the stored settings.
    ///
    /// The socket handles these numbers before it comes here; a user never sees this error.
    #[error("option {name} ({number}) must be handled by the socket itself")]
    NeedsSocket {
        /// Name of the option.
        name: &'static str,
        /// Number of the option.
        number: i32,
    },
}

impl OptionError {
    /// The error number for the C ABI: always `EINVAL` (22), as in libzmq.
    ///
    /// ```
    /// let error = zeroring_core::options::OptionError::UnknownOption { number: -1 };
    /// assert_eq!(error.errno(), 22);
    /// ```
    #[must_use]
    pub fn errno(&self) -> i32 {
        EINVAL
    }
}
