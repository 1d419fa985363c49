//! Settings of a context. Sockets copy some of them when they are created; the ones about threads
//! and limits are read once, with the first socket.

use std::collections::BTreeSet;

use super::error::{ExpectedLength, OptionError};
use super::number::context as no;
use super::value::{DriverChoice, OptionValue, WaitPolicy};

/// Longest thread name prefix in bytes.
const MAX_PREFIX_BYTES: usize = 16;
/// `SOCKET_LIMIT`, what libzmq reports for pollers without a limit of their own.
const SOCKET_LIMIT: i32 = 65_535;
/// `MSG_T_SIZE`, fixed by the C ABI.
const MSG_T_SIZE_BYTES: i32 = 64;

/// Settings of one context.
///
/// ```
/// use zeroring_core::options::ContextOptions;
/// let options = ContextOptions { io_threads: 2, ..ContextOptions::default() };
/// assert_eq!(options.max_sockets, 1023);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextOptions {
    /// Threads for tcp, ipc and the like; 0 = only inproc works. Default 1. Read with the first
    /// socket. `IO_THREADS` 1.
    pub io_threads: u32,
    /// Most sockets alive at a time, 1 or more. Default 1023. Read with the first socket.
    /// `MAX_SOCKETS` 2.
    pub max_sockets: u32,
    /// Priority of our threads; `None` = leave, the default. Read with the first socket.
    /// `THREAD_PRIORITY` 3, which cannot be read back: reading 3 is `SOCKET_LIMIT`, 65 535.
    pub thread_priority: Option<u32>,
    /// Scheduling policy of our threads as the system numbers it; `None` = leave, the default.
    /// Read with the first socket. `THREAD_SCHED_POLICY` 4.
    pub thread_sched_policy: Option<u32>,
    /// Largest message in bytes. Default `i32::MAX`. Stored and, as in libzmq, never enforced.
    /// `MAX_MSGSZ` 5.
    pub max_message_bytes: u32,
    /// Processors our threads may run on; empty = all, the default. Read with the first socket.
    /// `THREAD_AFFINITY_CPU_ADD` 7 and `THREAD_AFFINITY_CPU_REMOVE` 8.
    pub thread_cpus: BTreeSet<u32>,
    /// Start of our threads' names, up to 16 bytes. Default empty. Read with the first socket.
    /// `THREAD_NAME_PREFIX` 9.
    pub thread_name_prefix: Vec<u8>,
    /// Received parts may be slices of the receive buffer. Default true. Copied into new sockets.
    /// `ZERO_COPY_RECV` 10.
    pub zero_copy_recv: bool,
    /// New sockets use IPv6. Default false. `IPV6` 42.
    pub ipv6: bool,
    /// New sockets linger for ever. Default true; false makes them start with a linger of 0.
    /// `BLOCKY` 70.
    pub blocky: bool,
    /// Processors of each I/O thread, by thread number; a missing or empty entry falls back to
    /// [`thread_cpus`](Self::thread_cpus). Default empty. Read with the first socket. Extension
    /// without a number: a list does not fit an int.
    pub io_thread_cpus: Vec<Vec<usize>>,
    /// Kernel interface of the I/O threads. Default [`DriverChoice::Auto`]. Read with the first
    /// socket. Extension 10 100.
    pub driver: DriverChoice,
    /// How I/O threads wait, and new sockets start out. Default [`WaitPolicy::Adaptive`].
    /// Extension 10 101.
    pub wait_policy: WaitPolicy,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self {
            io_threads: 1,
            max_sockets: 1023,
            thread_priority: None,
            thread_sched_policy: None,
            max_message_bytes: i32::MAX.unsigned_abs(),
            thread_cpus: BTreeSet::new(),
            thread_name_prefix: Vec::new(),
            zero_copy_recv: true,
            ipv6: false,
            blocky: true,
            io_thread_cpus: Vec::new(),
            driver: DriverChoice::Auto,
            wait_policy: WaitPolicy::Adaptive,
        }
    }
}

impl ContextOptions {
    /// Sets an option to an int, as `zmq_ctx_set` does. On an error nothing has changed.
    ///
    /// # Errors
    /// See [`OptionError`].
    ///
    /// ```
    /// use zeroring_core::options::ContextOptions;
    /// const ZMQ_IO_THREADS: i32 = 1;
    /// let mut options = ContextOptions::default();
    /// options.set(ZMQ_IO_THREADS, 4)?;
    /// assert_eq!(options.io_threads, 4);
    /// assert!(options.set(ZMQ_IO_THREADS, -1).is_err());
    /// # Ok::<(), zeroring_core::options::OptionError>(())
    /// ```
    pub fn set(&mut self, option: i32, value: i32) -> Result<(), OptionError> {
        let name = name_of(option)?;
        let at_least = |min: i32| in_range(name, value, min, i32::MAX);
        match option {
            no::IO_THREADS => self.io_threads = at_least(0)?,
            no::MAX_SOCKETS => self.max_sockets = at_least(1)?,
            no::THREAD_PRIORITY => self.thread_priority = Some(at_least(0)?),
            no::THREAD_SCHED_POLICY => self.thread_sched_policy = Some(at_least(0)?),
            no::MAX_MSGSZ => self.max_message_bytes = at_least(0)?,
            no::THREAD_AFFINITY_CPU_ADD => _ = self.thread_cpus.insert(at_least(0)?),
            no::THREAD_AFFINITY_CPU_REMOVE => self.remove_cpu(name, at_least(0)?)?,
            // Odd, but programs number their contexts this way: the name is the decimal text.
            no::THREAD_NAME_PREFIX => self.thread_name_prefix = value.to_string().into_bytes(),
            no::ZERO_COPY_RECV => self.zero_copy_recv = at_least(0)? != 0,
            no::IPV6 => self.ipv6 = at_least(0)? != 0,
            no::BLOCKY => self.blocky = at_least(0)? != 0,
            no::DRIVER => {
                self.driver = DriverChoice::from_int(value).ok_or(out_of_range(name, value, 2))?;
            }
            no::WAIT_POLICY => {
                self.wait_policy =
                    WaitPolicy::from_int(value).ok_or(out_of_range(name, value, 2))?;
            }
            _ => return Err(OptionError::ReadOnly { name }),
        }
        Ok(())
    }

    /// Reads an option as an int, as `zmq_ctx_get` does.
    ///
    /// # Errors
    /// See [`OptionError`].
    ///
    /// ```
    /// use zeroring_core::options::ContextOptions;
    /// const ZMQ_MAX_SOCKETS: i32 = 2;
    /// assert_eq!(ContextOptions::default().get(ZMQ_MAX_SOCKETS), Ok(1023));
    /// ```
    pub fn get(&self, option: i32) -> Result<i32, OptionError> {
        let name = name_of(option)?;
        Ok(match option {
            no::IO_THREADS => to_int(self.io_threads),
            no::MAX_SOCKETS => to_int(self.max_sockets),
            no::SOCKET_LIMIT => SOCKET_LIMIT,
            no::THREAD_SCHED_POLICY => self.thread_sched_policy.map_or(-1, to_int),
            no::MAX_MSGSZ => to_int(self.max_message_bytes),
            no::MSG_T_SIZE => MSG_T_SIZE_BYTES,
            no::THREAD_NAME_PREFIX => leading_int(&self.thread_name_prefix),
            no::ZERO_COPY_RECV => i32::from(self.zero_copy_recv),
            no::IPV6 => i32::from(self.ipv6),
            no::BLOCKY => i32::from(self.blocky),
            no::DRIVER => self.driver.to_int(),
            no::WAIT_POLICY => self.wait_policy.to_int(),
            _ => return Err(OptionError::WriteOnly { name }),
        })
    }

    /// Sets an option from bytes, as `zmq_ctx_set_ext` does: four bytes are an int for every
    /// option, 1 to 16 bytes of another length can be a thread name prefix.
    ///
    /// # Errors
    /// See [`OptionError`].
    ///
    /// ```
    /// use zeroring_core::options::ContextOptions;
    /// const ZMQ_THREAD_NAME_PREFIX: i32 = 9;
    /// let mut options = ContextOptions::default();
    /// options.set_bytes(ZMQ_THREAD_NAME_PREFIX, b"feed1")?;
    /// assert_eq!(options.thread_name_prefix, b"feed1");
    /// # Ok::<(), zeroring_core::options::OptionError>(())
    /// ```
    pub fn set_bytes(&mut self, option: i32, value: &[u8]) -> Result<(), OptionError> {
        let name = name_of(option)?;
        if let Ok(int) = value.try_into() {
            return self.set(option, i32::from_ne_bytes(int));
        }
        let seen = value.len();
        if option != no::THREAD_NAME_PREFIX {
            return Err(wrong_length(name, seen, ExpectedLength::Exactly(4)));
        }
        if !(1..=MAX_PREFIX_BYTES).contains(&seen) {
            return Err(wrong_length(name, seen, ExpectedLength::Between(1, MAX_PREFIX_BYTES)));
        }
        self.thread_name_prefix = value.to_vec();
        Ok(())
    }

    /// Reads an option for a buffer of `buf_len` bytes, as `zmq_ctx_get_ext` does: four bytes get
    /// an int, another length gets the thread name prefix, without NUL.
    ///
    /// # Errors
    /// See [`OptionError`].
    ///
    /// ```
    /// use zeroring_core::options::{ContextOptions, OptionValue};
    /// const ZMQ_IPV6: i32 = 42;
    /// assert_eq!(ContextOptions::default().get_bytes(ZMQ_IPV6, 4), Ok(OptionValue::Int(0)));
    /// ```
    pub fn get_bytes(&self, option: i32, buf_len: usize) -> Result<OptionValue, OptionError> {
        let name = name_of(option)?;
        if buf_len == 4 {
            return self.get(option).map(OptionValue::Int);
        }
        if option != no::THREAD_NAME_PREFIX {
            return Err(wrong_length(name, buf_len, ExpectedLength::Exactly(4)));
        }
        let needed = self.thread_name_prefix.len();
        if buf_len < needed {
            return Err(wrong_length(name, buf_len, ExpectedLength::AtLeast(needed)));
        }
        Ok(OptionValue::Bytes(self.thread_name_prefix.clone()))
    }

    fn remove_cpu(&mut self, name: &'static str, cpu: u32) -> Result<(), OptionError> {
        if self.thread_cpus.remove(&cpu) {
            return Ok(());
        }
        Err(OptionError::Malformed { name, advice: "this processor was not added before" })
    }
}

/// The name of a context option, or the error for a number that is none.
fn name_of(option: i32) -> Result<&'static str, OptionError> {
    Ok(match option {
        no::IO_THREADS => "IO_THREADS",
        no::MAX_SOCKETS => "MAX_SOCKETS",
        no::THREAD_PRIORITY => "THREAD_PRIORITY/SOCKET_LIMIT",
        no::THREAD_SCHED_POLICY => "THREAD_SCHED_POLICY",
        no::MAX_MSGSZ => "MAX_MSGSZ",
        no::MSG_T_SIZE => "MSG_T_SIZE",
        no::THREAD_AFFINITY_CPU_ADD => "THREAD_AFFINITY_CPU_ADD",
        no::THREAD_AFFINITY_CPU_REMOVE => "THREAD_AFFINITY_CPU_REMOVE",
        no::THREAD_NAME_PREFIX => "THREAD_NAME_PREFIX",
        no::ZERO_COPY_RECV => "ZERO_COPY_RECV",
        no::IPV6 => "IPV6",
        no::BLOCKY => "BLOCKY",
        no::DRIVER => "DRIVER",
        no::WAIT_POLICY => "WAIT_POLICY",
        number => return Err(OptionError::UnknownOption { number }),
    })
}

fn in_range(name: &'static str, value: i32, min: i32, max: i32) -> Result<u32, OptionError> {
    let error =
        OptionError::OutOfRange { name, value: value.into(), min: min.into(), max: max.into() };
    u32::try_from(value).ok().filter(|_| (min..=max).contains(&value)).ok_or(error)
}

fn out_of_range(name: &'static str, value: i32, max: i64) -> OptionError {
    OptionError::OutOfRange { name, value: value.into(), min: 0, max }
}

fn wrong_length(name: &'static str, seen: usize, expected: ExpectedLength) -> OptionError {
    OptionError::WrongLength { name, seen, expected }
}

fn to_int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// The number a text starts with, like C's `atoi`; 0 if there is none. Saturates.
fn leading_int(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text.split_first() {
        Some((b'-', rest)) => (-1, rest),
        Some((b'+', rest)) => (1, rest),
        _ => (1_i32, text),
    };
    // Counting in the sign's direction reaches i32::MIN without overflow.
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0_i32, |number, byte| {
        number.saturating_mul(10).saturating_add(sign * i32::from(byte - b'0'))
    })
}
