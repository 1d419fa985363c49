//! The shape of a row, and the constructors that keep the sections readable.

use std::ops::RangeInclusive;

use zeroring_zmtp::SocketType;

use super::SocketOptions;
use crate::options::error::OptionError;

/// When a new value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// At once, also for existing connections.
    Immediate,
    /// For pipes that are attached from now on, whoever called bind or connect when.
    LaterPipes,
    /// With the next bind or connect.
    NextEndpoint,
    /// With the next connect.
    NextConnect,
    /// With the next bind.
    NextBind,
    /// Read whenever it is needed, such as a timeout at the start of a call.
    WhenUsed,
}

/// Which directions a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `set` and `get`.
    ReadWrite,
    /// `get` only.
    ReadOnly,
    /// `set` only.
    WriteOnly,
}

/// Which socket types know an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppliesTo {
    /// All of them, even where it changes nothing.
    Any,
    /// Only these.
    Only(&'static [SocketType]),
}

impl AppliesTo {
    /// Whether `socket_type` knows the option.
    #[must_use]
    pub fn includes(self, socket_type: SocketType) -> bool {
        match self {
            Self::Any => true,
            Self::Only(types) => types.contains(&socket_type),
        }
    }
}

/// Which ints a boolean option takes. All read back as 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoolRule {
    /// 0 and 1.
    Strict,
    /// Any int; non-zero is true.
    Relaxed,
    /// Any int from 0; non-zero is true.
    NonNegative,
}

impl BoolRule {
    /// The accepted range of ints.
    #[must_use]
    pub const fn range(self) -> RangeInclusive<i32> {
        match self {
            Self::Strict => 0..=1,
            Self::Relaxed => i32::MIN..=i32::MAX,
            Self::NonNegative => 0..=i32::MAX,
        }
    }
}

/// What a value without bytes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyRule {
    /// An error.
    Refused,
    /// The option is cleared.
    Clears,
    /// A NULL pointer clears the option; a real but empty string is an error.
    NullClears,
}

/// Type of the value, its limits, and how it reaches its field.
#[derive(Clone, Copy)]
#[allow(missing_docs)] // `min`, `max`, `default`, `read` and `write` say it all.
pub enum Kind {
    /// Four bytes with a number.
    Int {
        min: i32,
        max: i32,
        default: i32,
        read: fn(&SocketOptions) -> i32,
        write: fn(&mut SocketOptions, i32),
    },
    /// Four bytes with a truth value.
    Bool {
        rule: BoolRule,
        default: bool,
        read: fn(&SocketOptions) -> bool,
        write: fn(&mut SocketOptions, bool),
    },
    /// Eight bytes with a signed number; every value is accepted.
    Int64 { default: i64, read: fn(&SocketOptions) -> i64, write: fn(&mut SocketOptions, i64) },
    /// Eight bytes with a bit set; every value is accepted.
    Uint64 { default: u64, read: fn(&SocketOptions) -> u64, write: fn(&mut SocketOptions, u64) },
    /// A string of bytes, empty by default. `text` adds a NUL when it is read.
    Bytes {
        text: bool,
        max_len: usize,
        empty: EmptyRule,
        read: fn(&SocketOptions) -> &[u8],
        write: fn(&mut SocketOptions, &[u8]),
    },
    /// A list that grows with every call; the callback checks the value.
    List {
        empty: EmptyRule,
        clear: fn(&mut SocketOptions),
        add: fn(&mut SocketOptions, &[u8]) -> Result<(), OptionError>,
    },
    /// Answered or carried out by the socket; no stored value.
    NeedsSocket,
}

/// One socket option.
#[derive(Clone, Copy)]
pub struct OptionRow {
    /// Its number in the C ABI.
    pub number: i32,
    /// Its name without the `ZMQ_` prefix.
    pub name: &'static str,
    /// Unit of the value, or its form.
    pub unit: &'static str,
    /// When a new value takes effect.
    pub effect: Effect,
    /// Readable, writable, or both.
    pub access: Access,
    /// Socket types that know it.
    pub applies_to: AppliesTo,
    /// Type, limits, default and storage.
    pub kind: Kind,
}

impl OptionRow {
    const fn new(number: i32, name: &'static str, unit: &'static str, kind: Kind) -> Self {
        Self {
            number,
            name,
            unit,
            effect: Effect::NextEndpoint,
            access: Access::ReadWrite,
            applies_to: AppliesTo::Any,
            kind,
        }
    }

    /// A row with a ranged number.
    pub(super) const fn int(
        (number, name, unit): (i32, &'static str, &'static str),
        (min, max): (i32, i32),
        default: i32,
        read: fn(&SocketOptions) -> i32,
        write: fn(&mut SocketOptions, i32),
    ) -> Self {
        Self::new(number, name, unit, Kind::Int { min, max, default, read, write })
    }

    /// A row with a truth value.
    pub(super) const fn bool(
        (number, name): (i32, &'static str),
        rule: BoolRule,
        default: bool,
        read: fn(&SocketOptions) -> bool,
        write: fn(&mut SocketOptions, bool),
    ) -> Self {
        Self::new(number, name, "0 or 1", Kind::Bool { rule, default, read, write })
    }

    /// A row for something the socket itself handles.
    pub(super) const fn needs_socket(
        (number, name, unit): (i32, &'static str, &'static str),
        access: Access,
    ) -> Self {
        let mut row = Self::new(number, name, unit, Kind::NeedsSocket);
        row.access = access;
        row.effect = Effect::Immediate;
        row
    }

    /// A row of any other kind.
    pub(super) const fn of(
        (number, name, unit): (i32, &'static str, &'static str),
        kind: Kind,
    ) -> Self {
        Self::new(number, name, unit, kind)
    }

    /// The row with another moment of effect.
    pub(super) const fn at(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// The row restricted to some socket types.
    pub(super) const fn only(mut self, types: &'static [SocketType]) -> Self {
        self.applies_to = AppliesTo::Only(types);
        self
    }

    /// The row without `get`.
    pub(super) const fn write_only(mut self) -> Self {
        self.access = Access::WriteOnly;
        self
    }

    /// The row without `set`.
    pub(super) const fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }
}
