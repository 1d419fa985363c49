//! The 16 bytes every packet starts with (RFC 3208, section 8).

use super::cursor::{Reader, Writer};
use super::error::{BuildError, ParseError, Part};
use crate::tsi::{Gsi, Tsi};

/// Length of the common header.
pub const HEADER_BYTES: usize = 16;

/// Offset of the checksum field.
pub(super) const CHECKSUM_AT: usize = 6;

/// What a packet is. The values are those of the type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Source path message: window edges and the address for NAKs.
    Spm = 0x00,
    /// Asks some receivers for an answer.
    Poll = 0x01,
    /// The answer to a POLL.
    Polr = 0x02,
    /// Original data.
    Odata = 0x04,
    /// Data again, to repair a loss.
    Rdata = 0x05,
    /// A receiver misses data.
    Nak = 0x08,
    /// A network element's NAK that asks for no repair.
    NNak = 0x09,
    /// Confirms a NAK, so that others hold theirs back.
    Ncf = 0x0A,
    /// Asks the source for an SPM now.
    Spmr = 0x0C,
    /// Acknowledges data under PGMCC; not in RFC 3208.
    Ack = 0x0D,
}

impl PacketType {
    /// The type for a type byte, if its version and reserved bits are 0 and the type is known.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x00 => Self::Spm,
            0x01 => Self::Poll,
            0x02 => Self::Polr,
            0x04 => Self::Odata,
            0x05 => Self::Rdata,
            0x08 => Self::Nak,
            0x09 => Self::NNak,
            0x0A => Self::Ncf,
            0x0C => Self::Spmr,
            0x0D => Self::Ack,
            _ => return None,
        })
    }

    /// Whether it carries a payload: ODATA and RDATA.
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Odata | Self::Rdata)
    }

    /// Whether it travels from the source to receivers. The others travel towards the source, with
    /// the ports swapped.
    pub const fn is_downstream(self) -> bool {
        matches!(self, Self::Spm | Self::Poll | Self::Odata | Self::Rdata | Self::Ncf)
    }
}

/// The options byte of the header. Reserved bits are kept and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// An option area follows the body.
    pub const OPTIONS: Self = Self(0x01);
    /// Some option matters to network elements.
    pub const NETWORK_SIGNIFICANT: Self = Self(0x02);
    /// A parity packet over originals of different lengths.
    pub const VAR_PKTLEN: Self = Self(0x40);
    /// A parity packet, or a NAK that asks for one.
    pub const PARITY: Self = Self(0x80);

    /// Whether every bit of `flags` is set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These flags, and `flags` too when `on`.
    #[must_use]
    pub const fn with(self, flags: Self, on: bool) -> Self {
        if on { Self(self.0 | flags.0) } else { self }
    }
}

/// The common header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Downstream the source's port, upstream the group's.
    pub source_port: u16,
    /// Downstream the group's port, upstream the source's.
    pub destination_port: u16,
    /// What the packet is.
    pub packet_type: PacketType,
    /// Options byte.
    pub flags: Flags,
    /// Checksum as carried; 0 means none.
    pub checksum: u16,
    /// The source's identifier, upstream too.
    pub gsi: Gsi,
    /// Bytes of payload.
    pub tsdu_length: u16,
}

impl Header {
    /// Reads the header alone: enough to find out whose packet it is. The checksum is not verified.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes, Part::Header);
        Ok(Self {
            source_port: reader.u16()?,
            destination_port: reader.u16()?,
            packet_type: read_type(&mut reader)?,
            flags: Flags(reader.u8()?),
            checksum: reader.u16()?,
            gsi: Gsi(reader.array()?),
            tsdu_length: reader.u16()?,
        })
    }

    /// The source this packet comes from or is meant for.
    pub const fn tsi(&self) -> Tsi {
        let source_port = match self.packet_type.is_downstream() {
            true => self.source_port,
            false => self.destination_port,
        };
        Tsi { gsi: self.gsi, source_port }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        writer.u16(self.source_port)?;
        writer.u16(self.destination_port)?;
        writer.u8(self.packet_type as u8)?;
        writer.u8(self.flags.0)?;
        writer.u16(self.checksum)?;
        writer.put(&self.gsi.0)?;
        writer.u16(self.tsdu_length)
    }
}

fn read_type(reader: &mut Reader<'_>) -> Result<PacketType, ParseError> {
    let value = reader.u8()?;
    PacketType::from_byte(value).ok_or(ParseError::Type { value })
}
