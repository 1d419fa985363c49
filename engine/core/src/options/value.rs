//! Small value types of options: enumerations that have a number in the C ABI, and answers of `get`.

/// How a thread waits when it has nothing to do.
///
/// The trade is processor time against wake-up latency. A sleeping thread costs nothing and is
/// woken by the kernel in some microseconds; a spinning one reacts at once and burns its core.
///
/// Spinning lasts 60 µs at most with `Adaptive`, and only where another CPU can do what is waited for.
/// Extensions 10 000 (socket) and 10 101 (context); libzmq always sleeps.
///
/// ```
/// use zeroring_core::options::WaitPolicy;
/// assert_eq!(WaitPolicy::default(), WaitPolicy::Adaptive);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitPolicy {
    /// Sleep in the kernel at once. Number 0.
    Sleep,
    /// Spin for a short while that adapts to recent traffic, then sleep. Number 1, the default.
    #[default]
    Adaptive,
    /// Never sleep. Number 2. Give such a thread a core of its own.
    Spin,
}

impl WaitPolicy {
    /// The number that stands for this policy in the C ABI.
    ///
    /// ```
    /// use zeroring_core::options::WaitPolicy;
    /// assert_eq!(WaitPolicy::Spin.to_int(), 2);
    /// ```
    #[must_use]
    pub const fn to_int(self) -> i32 {
        match self {
            Self::Sleep => 0,
            Self::Adaptive => 1,
            Self::Spin => 2,
        }
    }

    /// The policy for a number; `None` if there is no such policy.
    ///
    /// ```
    /// use zeroring_core::options::WaitPolicy;
    /// assert_eq!(WaitPolicy::from_int(0), Some(WaitPolicy::Sleep));
    /// assert_eq!(WaitPolicy::from_int(3), None);
    /// ```
    #[must_use]
    pub const fn from_int(value: i32) -> Option<Self> {
        match value {
            0 => Some(Self::Sleep),
            1 => Some(Self::Adaptive),
            2 => Some(Self::Spin),
            _ => None,
        }
    }
}

/// Which kernel interface carries the I/O of a context.
///
/// Extension 10 100, read with the first socket.
///
/// ```
/// use zeroring_core::options::DriverChoice;
/// assert_eq!(DriverChoice::default(), DriverChoice::Auto);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriverChoice {
    /// io_uring if the system allows it, else epoll. Number 0, the default.
    #[default]
    Auto,
    /// io_uring or an error. Number 1.
    Uring,
    /// epoll. Number 2.
    Epoll,
}

impl DriverChoice {
    /// The number that stands for this driver in the C ABI.
    ///
    /// ```
    /// use zeroring_core::options::DriverChoice;
    /// assert_eq!(DriverChoice::Epoll.to_int(), 2);
    /// ```
    #[must_use]
    pub const fn to_int(self) -> i32 {
        match self {
            Self::Auto => 0,
            Self::Uring => 1,
            Self::Epoll => 2,
        }
    }

    /// The driver for a number; `None` if there is no such driver.
    ///
    /// ```
    /// use zeroring_core::options::DriverChoice;
    /// assert_eq!(DriverChoice::from_int(1), Some(DriverChoice::Uring));
    /// assert_eq!(DriverChoice::from_int(-1), None);
    /// ```
    #[must_use]
    pub const fn from_int(value: i32) -> Option<Self> {
        match value {
            0 => Some(Self::Auto),
            1 => Some(Self::Uring),
            2 => Some(Self::Epoll),
            _ => None,
        }
    }
}

/// Bytes that nobody shall read in a log: `Debug` does not show them.
///
/// ```
/// use zeroring_core::options::Secret;
/// let password = Secret(b"swordfish".to_vec());
/// assert_eq!(format!("{password:?}"), "Secret(9 bytes)");
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// The answer of a numeric `get`.
///
/// ```
/// use zeroring_core::options::OptionValue;
/// assert_ne!(OptionValue::Int(1), OptionValue::Int64(1)); // another length in a C buffer
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// Four bytes, native byte order.
    Int(i32),
    /// Eight bytes, signed, native byte order.
    Int64(i64),
    /// Eight bytes, unsigned, native byte order.
    Uint64(u64),
    /// Bytes without terminator.
    Bytes(Vec<u8>),
    /// Text; a terminating NUL, not stored here, is added when it is written to a C buffer.
    Text(Vec<u8>),
}

impl OptionValue {
    /// Length in bytes that the value takes in a C buffer, with the NUL of a text.
    ///
    /// ```
    /// use zeroring_core::options::OptionValue;
    /// assert_eq!(OptionValue::Int(7).encoded_len(), 4);
    /// assert_eq!(OptionValue::Text(b"eth0".to_vec()).encoded_len(), 5);
    /// ```
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Int(_) => 4,
            Self::Int64(_) | Self::Uint64(_) => 8,
            Self::Bytes(bytes) => bytes.len(),
            Self::Text(bytes) => bytes.len().saturating_add(1),
        }
    }

    /// Writes the value to the front of `buf` and zeroes the rest, as `zmq_getsockopt` does.
    ///
    /// Returns the number of meaningful bytes (the new `*option_len`), or `None`, leaving `buf`
    /// alone, if the value does not fit. `get` has checked the length already, so `None` means
    /// that another length was passed there.
    ///
    /// ```
    /// use zeroring_core::options::OptionValue;
    /// let mut buffer = [9; 8];
    /// let text = OptionValue::Text(b"eth0".to_vec());
    /// assert_eq!(text.write_to(&mut buffer), Some(5));
    /// assert_eq!(&buffer, b"eth0\0\0\0\0");
    /// assert_eq!(text.write_to(&mut buffer[..4]), None);
    /// ```
    pub fn write_to(&self, buf: &mut [u8]) -> Option<usize> {
        let used = self.encoded_len();
        let (head, tail) = buf.split_at_mut_checked(used)?;
        match self {
            Self::Int(value) => head.copy_from_slice(&value.to_ne_bytes()),
            Self::Int64(value) => head.copy_from_slice(&value.to_ne_bytes()),
            Self::Uint64(value) => head.copy_from_slice(&value.to_ne_bytes()),
            Self::Bytes(bytes) => head.copy_from_slice(bytes),
            Self::Text(bytes) => {
                let (text, nul) = head.split_at_mut(bytes.len());
                text.copy_from_slice(bytes);
                nul.fill(0);
            }
        }
        tail.fill(0);
        Some(used)
    }
}
