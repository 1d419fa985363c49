//! `set` and `get` by number: looks up the row, applies the common rules, lets the row store.

use zeroring_zmtp::SocketType;

use super::error::{ExpectedLength, OptionError};
use super::socket::SocketOptions;
use super::table::{self, Access, EmptyRule, Kind, OptionRow};
use super::value::OptionValue;

impl SocketOptions {
    /// Sets an option from its bytes as `zmq_setsockopt` takes them (native byte order).
    ///
    /// An empty `value` clears the options that can be cleared. On an error nothing has changed.
    ///
    /// # Errors
    /// See [`OptionError`]; [`OptionError::NeedsSocket`] for options the caller must handle.
    ///
    /// ```
    /// use zeroring_core::SocketType;
    /// use zeroring_core::options::SocketOptions;
    /// const ZMQ_SNDHWM: i32 = 23;
    /// let mut options = SocketOptions::default();
    /// options.set(SocketType::Push, ZMQ_SNDHWM, &5_i32.to_ne_bytes())?;
    /// assert_eq!(options.send_hwm_messages, 5);
    /// # Ok::<(), zeroring_core::options::OptionError>(())
    /// ```
    pub fn set(
        &mut self,
        socket_type: SocketType,
        option: i32,
        value: &[u8],
    ) -> Result<(), OptionError> {
        self.set_nullable(socket_type, option, Some(value).filter(|bytes| !bytes.is_empty()))
    }

    /// As [`set`](Self::set), for a caller that can tell a NULL pointer of length 0 (`None`) from
    /// an empty string; `BINDTODEVICE` and the filters are cleared by the first only.
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    ///
    /// ```
    /// use zeroring_core::SocketType;
    /// use zeroring_core::options::SocketOptions;
    /// const ZMQ_BINDTODEVICE: i32 = 92;
    /// let mut options = SocketOptions::default();
    /// options.set_nullable(SocketType::Push, ZMQ_BINDTODEVICE, Some(b"eth0"))?;
    /// options.set_nullable(SocketType::Push, ZMQ_BINDTODEVICE, None)?;
    /// assert!(options.bind_to_device.is_empty());
    /// # Ok::<(), zeroring_core::options::OptionError>(())
    /// ```
    pub fn set_nullable(
        &mut self,
        socket_type: SocketType,
        option: i32,
        value: Option<&[u8]>,
    ) -> Result<(), OptionError> {
        let row = find_for(socket_type, option)?;
        if row.access == Access::ReadOnly {
            return Err(OptionError::ReadOnly { name: row.name });
        }
        row.store(self, value)
    }

    /// Reads an option for a buffer of `buf_len` bytes, as `zmq_getsockopt` does.
    ///
    /// Numbers need exactly 4 or 8 bytes, texts room for their NUL, binaries room for themselves.
    ///
    /// # Errors
    /// See [`OptionError`]; [`OptionError::NeedsSocket`] for options the caller must handle.
    ///
    /// ```
    /// use zeroring_core::SocketType;
    /// use zeroring_core::options::{OptionValue, SocketOptions};
    /// const ZMQ_RCVHWM: i32 = 24;
    /// let options = SocketOptions::default();
    /// assert_eq!(options.get(SocketType::Pull, ZMQ_RCVHWM, 4), Ok(OptionValue::Int(1000)));
    /// ```
    pub fn get(
        &self,
        socket_type: SocketType,
        option: i32,
        buf_len: usize,
    ) -> Result<OptionValue, OptionError> {
        let row = find_for(socket_type, option)?;
        if row.access == Access::WriteOnly {
            return Err(OptionError::WriteOnly { name: row.name });
        }
        row.load(self, buf_len)
    }
}

fn find_for(socket_type: SocketType, option: i32) -> Result<&'static OptionRow, OptionError> {
    let row = table::find(option).ok_or(OptionError::UnknownOption { number: option })?;
    if !row.applies_to.includes(socket_type) {
        return Err(OptionError::WrongSocketType { name: row.name, socket_type });
    }
    Ok(row)
}

impl OptionRow {
    fn store(&self, options: &mut SocketOptions, value: Option<&[u8]>) -> Result<(), OptionError> {
        let bytes = value.unwrap_or_default();
        match self.kind {
            Kind::Int { min, max, write, .. } => {
                write(options, self.int_in(bytes, min, max)?);
            }
            Kind::Bool { rule, write, .. } => {
                let (min, max) = rule.range().into_inner();
                write(options, self.int_in(bytes, min, max)? != 0);
            }
            Kind::Int64 { write, .. } => write(options, i64::from_ne_bytes(self.exact(bytes)?)),
            Kind::Uint64 { write, .. } => write(options, u64::from_ne_bytes(self.exact(bytes)?)),
            Kind::Bytes { max_len, empty, write, .. } => {
                if !bytes.is_empty() || !clears(empty, value) {
                    self.check_between(bytes.len(), 1, max_len)?;
                }
                write(options, bytes);
            }
            Kind::List { empty, clear, .. } if bytes.is_empty() && clears(empty, value) => {
                clear(options);
            }
            Kind::List { add, .. } => add(options, bytes)?,
            Kind::NeedsSocket => return Err(self.needs_socket_error()),
        }
        Ok(())
    }

    fn load(&self, options: &SocketOptions, buf_len: usize) -> Result<OptionValue, OptionError> {
        let value = match self.kind {
            Kind::Int { read, .. } => OptionValue::Int(read(options)),
            Kind::Bool { read, .. } => OptionValue::Int(i32::from(read(options))),
            Kind::Int64 { read, .. } => OptionValue::Int64(read(options)),
            Kind::Uint64 { read, .. } => OptionValue::Uint64(read(options)),
            Kind::Bytes { text: true, read, .. } => OptionValue::Text(read(options).to_vec()),
            Kind::Bytes { read, .. } => OptionValue::Bytes(read(options).to_vec()),
            Kind::List { .. } => return Err(OptionError::WriteOnly { name: self.name }),
            Kind::NeedsSocket => return Err(self.needs_socket_error()),
        };
        let needed = value.encoded_len();
        let (fits, expected) = match value {
            OptionValue::Bytes(_) | OptionValue::Text(_) => {
                (buf_len >= needed, ExpectedLength::AtLeast(needed))
            }
            _ => (buf_len == needed, ExpectedLength::Exactly(needed)),
        };
        if fits { Ok(value) } else { Err(self.wrong_length(buf_len, expected)) }
    }

    fn int_in(&self, bytes: &[u8], min: i32, max: i32) -> Result<i32, OptionError> {
        let value = i32::from_ne_bytes(self.exact(bytes)?);
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        let (value, min, max) = (value.into(), min.into(), max.into());
        Err(OptionError::OutOfRange { name: self.name, value, min, max })
    }

    fn exact<const N: usize>(&self, bytes: &[u8]) -> Result<[u8; N], OptionError> {
        bytes.try_into().map_err(|_| self.wrong_length(bytes.len(), ExpectedLength::Exactly(N)))
    }

    fn check_between(&self, seen: usize, min: usize, max: usize) -> Result<(), OptionError> {
        if (min..=max).contains(&seen) {
            return Ok(());
        }
        Err(self.wrong_length(seen, ExpectedLength::Between(min, max)))
    }

    fn wrong_length(&self, seen: usize, expected: ExpectedLength) -> OptionError {
        OptionError::WrongLength { name: self.name, seen, expected }
    }

    fn needs_socket_error(&self) -> OptionError {
        OptionError::NeedsSocket { name: self.name, number: self.number }
    }
}

/// Whether an empty `value` clears an option with this rule.
fn clears(rule: EmptyRule, value: Option<&[u8]>) -> bool {
    match rule {
        EmptyRule::Refused => false,
        EmptyRule::Clears => true,
        EmptyRule::NullClears => value.is_none(),
    }
}
