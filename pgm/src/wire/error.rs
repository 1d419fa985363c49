//! What can be wrong with a packet, and whose fault it is.

use thiserror::Error;

use super::header::PacketType;

/// Who has to change something for an error to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes came that way from the network: drop the packet, count it, go on.
    Peer,
    /// Our own code asked for a packet that cannot exist: a bug, or a bound not checked earlier.
    Caller,
}

/// The piece of a packet that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The common header of 16 bytes.
    Header,
    /// The fields that follow the header and depend on the packet type.
    Body,
    /// A network-layer address.
    Nla,
    /// The option area, starting with OPT_LENGTH.
    Options,
    /// The application's bytes.
    Payload,
}

/// Why received bytes are not a PGM packet. Always the peer's fault.
///
/// `value` is what came, `bound` is what was allowed or expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes end too early.
    #[error("{part:?} cut short: {value} bytes left, {bound} needed")]
    Truncated {
        /// Where they end.
        part: Part,
        /// Bytes left.
        value: usize,
        /// Bytes needed.
        bound: usize,
    },
    /// The type byte has a version or reserved bit set, or a type nobody defined.
    #[error("packet type byte {value:#04x} is none of PGM version 0")]
    Type {
        /// The whole byte.
        value: u8,
    },
    /// The checksum does not match the bytes.
    #[error("checksum {value:#06x}, computed {bound:#06x}")]
    Checksum {
        /// Carried in the packet.
        value: u16,
        /// Computed from the bytes.
        bound: u16,
    },
    /// A data packet without a checksum; only control packets may leave it out.
    #[error("{value:?} without a checksum, which data packets must carry")]
    ChecksumMissing {
        /// The packet's type.
        value: PacketType,
    },
    /// TSDU length and the bytes after header and options differ.
    #[error("TSDU length says {value} bytes, the packet has {bound}")]
    TsduLength {
        /// The TSDU length field (0 expected on control packets).
        value: usize,
        /// Bytes after header and options.
        bound: usize,
    },
    /// An address family other than IPv4 (1) and IPv6 (2).
    #[error("address family {value}, expected 1 (IPv4) or 2 (IPv6)")]
    AddressFamily {
        /// The AFI field.
        value: u16,
    },
    /// The option area does not open with OPT_LENGTH.
    #[error("first option {value:#04x}, expected OPT_LENGTH (0x00) of 4 bytes")]
    FirstOption {
        /// Type byte of the first option.
        value: u8,
    },
    /// The total of OPT_LENGTH leaves no room for an option, or runs past the packet.
    #[error("options total {value} bytes, the packet allows 8 to {bound}")]
    OptionsTotal {
        /// The total given.
        value: usize,
        /// Bytes left in the packet.
        bound: usize,
    },
    /// An option whose length its type does not have, or that runs past the option area.
    #[error("option {kind:#04x} of {value} bytes, {bound} expected or left")]
    OptionLength {
        /// The option's type, without the end mark.
        kind: u8,
        /// Its length byte.
        value: usize,
        /// The length its type has, or the bytes left in the area.
        bound: usize,
    },
    /// A field inside an option is out of range.
    #[error("option {kind:#04x} carries {value}, at least {bound} expected")]
    OptionValue {
        /// The option's type.
        kind: u8,
        /// The value that came.
        value: u32,
        /// The smallest legal value.
        bound: u32,
    },
    /// OPT_LENGTH again, in the middle of the area.
    #[error("a second OPT_LENGTH")]
    NestedLength,
    /// More options than a packet may have.
    #[error("more than {bound} options")]
    OptionCount {
        /// The largest legal number, OPT_LENGTH not counted.
        bound: usize,
    },
    /// The option area and the option marked as last end in different places.
    #[error("last option ends at byte {value}, the option area at {bound}")]
    OptionEnd {
        /// Where the options end.
        value: usize,
        /// Where OPT_LENGTH says they end.
        bound: usize,
    },
}

impl ParseError {
    /// Received bytes are the peer's.
    pub const fn fault(&self) -> Fault {
        Fault::Peer
    }
}

/// Why a packet could not be built. Always the caller's fault; the buffer's content is then
/// unspecified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The buffer is too small for the packet.
    #[error("buffer of {value} bytes, the packet needs {bound}: pass a larger one")]
    BufferTooSmall {
        /// Bytes the buffer has.
        value: usize,
        /// Bytes needed up to where writing stopped; a lower bound for the packet.
        bound: usize,
    },
    /// The payload does not fit the 16-bit TSDU length.
    #[error("payload of {value} bytes, at most {bound}: split the message")]
    PayloadTooLong {
        /// Bytes given.
        value: usize,
        /// Largest TSDU.
        bound: usize,
    },
    /// More options than a packet may have.
    #[error("{value} options, at most {bound}")]
    TooManyOptions {
        /// Options given.
        value: usize,
        /// Largest number.
        bound: usize,
    },
    /// The option's content does not fit its length byte.
    #[error("option {kind:#04x} with {value} bytes of content, at most {bound}")]
    OptionTooLong {
        /// The option's type.
        kind: u8,
        /// Bytes of content.
        value: usize,
        /// Largest content.
        bound: usize,
    },
    /// A free-form option with a type that is not free: above 0x7F, or with a variant of its own.
    #[error("option type {value:#04x} is not free for an unknown option")]
    OptionKind {
        /// Type given.
        value: u8,
    },
    /// A number in an option that parsers refuse.
    #[error("option {kind:#04x} carries {value}, at least {bound} expected")]
    OptionValue {
        /// The option's type.
        kind: u8,
        /// Value given.
        value: u32,
        /// Smallest legal value.
        bound: u32,
    },
}

impl BuildError {
    /// Built packets are ours.
    pub const fn fault(&self) -> Fault {
        Fault::Caller
    }
}
