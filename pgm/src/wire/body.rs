//! The fields between the header and the options, one struct per packet type.

use core::net::IpAddr;

use super::cursor::{Reader, Writer};
use super::error::{BuildError, ParseError};
use super::header::PacketType;
use super::nla;
use crate::sqn::Sqn;

/// A packet's type and its own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// Source path message.
    Spm(Spm),
    /// Poll of receivers or network elements.
    Poll(Poll),
    /// Answer to a poll.
    Polr(Polr),
    /// Original data.
    Odata(Data<'a>),
    /// Repair data.
    Rdata(Data<'a>),
    /// Negative acknowledgement.
    Nak(Nak),
    /// NAK that asks for no repair.
    NNak(Nak),
    /// Confirmation of a NAK: the same fields, sent to the group.
    Ncf(Nak),
    /// Request for an SPM: nothing but the header.
    Spmr,
    /// PGMCC acknowledgement.
    Ack(Ack),
}

/// SPM: where the transmit window stands and where NAKs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spm {
    /// Counts SPMs, apart from data.
    pub sqn: Sqn,
    /// Oldest data that can still be repaired.
    pub trail: Sqn,
    /// Newest data sent; one before `trail` when the window is empty.
    pub lead: Sqn,
    /// Unicast address that takes NAKs.
    pub path_nla: IpAddr,
}

/// ODATA or RDATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    /// Number of this packet.
    pub sqn: Sqn,
    /// Oldest data that can still be repaired.
    pub trail: Sqn,
    /// The application's bytes.
    pub payload: &'a [u8],
}

/// NAK, N-NAK or NCF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nak {
    /// The missing packet; more may follow in an OPT_NAK_LIST.
    pub sqn: Sqn,
    /// The path NLA of the source's newest SPM.
    pub source_nla: IpAddr,
    /// The group the data was sent to.
    pub group_nla: IpAddr,
}

/// POLL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Counts POLLs of this sender.
    pub sqn: Sqn,
    /// Round of one poll.
    pub round: u16,
    /// 0 general, 1 designated local repairers.
    pub sub_type: u16,
    /// Address that takes the answer.
    pub path_nla: IpAddr,
    /// Longest random wait before answering, in microseconds.
    pub backoff_us: u32,
    /// Compared, under `mask`, with a random word of each receiver.
    pub random: [u8; 4],
    /// Which bits of `random` must match.
    pub mask: u32,
}

/// POLR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polr {
    /// The POLL that is answered.
    pub sqn: Sqn,
    /// Its round.
    pub round: u16,
}

/// PGMCC acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Newest data received.
    pub rx_max: Sqn,
    /// Bit i stands for `rx_max` − i.
    pub bitmap: u32,
}

impl<'a> Body<'a> {
    /// The type byte that goes with it.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Spm(_) => PacketType::Spm,
            Self::Poll(_) => PacketType::Poll,
            Self::Polr(_) => PacketType::Polr,
            Self::Odata(_) => PacketType::Odata,
            Self::Rdata(_) => PacketType::Rdata,
            Self::Nak(_) => PacketType::Nak,
            Self::NNak(_) => PacketType::NNak,
            Self::Ncf(_) => PacketType::Ncf,
            Self::Spmr => PacketType::Spmr,
            Self::Ack(_) => PacketType::Ack,
        }
    }

    /// The application's bytes; empty for everything but ODATA and RDATA.
    pub const fn payload(&self) -> &'a [u8] {
        match self {
            Self::Odata(data) | Self::Rdata(data) => data.payload,
            _ => &[],
        }
    }

    /// This body with another payload, if it is one that carries any.
    pub(super) fn with_payload(mut self, payload: &'a [u8]) -> Self {
        if let Self::Odata(data) | Self::Rdata(data) = &mut self {
            data.payload = payload;
        }
        self
    }

    /// Reads the fixed fields; data comes back with an empty payload.
    pub(super) fn read(kind: PacketType, reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(match kind {
            PacketType::Spm => Self::Spm(Spm::read(reader)?),
            PacketType::Poll => Self::Poll(Poll::read(reader)?),
            PacketType::Polr => Self::Polr(Polr::read(reader)?),
            PacketType::Odata => Self::Odata(Data::read(reader)?),
            PacketType::Rdata => Self::Rdata(Data::read(reader)?),
            PacketType::Nak => Self::Nak(Nak::read(reader)?),
            PacketType::NNak => Self::NNak(Nak::read(reader)?),
            PacketType::Ncf => Self::Ncf(Nak::read(reader)?),
            PacketType::Spmr => Self::Spmr,
            PacketType::Ack => Self::Ack(Ack::read(reader)?),
        })
    }

    /// Writes the fixed fields, not the payload.
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        match self {
            Self::Spm(spm) => spm.write(writer),
            Self::Poll(poll) => poll.write(writer),
            Self::Polr(polr) => polr.write(writer),
            Self::Odata(data) | Self::Rdata(data) => data.write(writer),
            Self::Nak(nak) | Self::NNak(nak) | Self::Ncf(nak) => nak.write(writer),
            Self::Spmr => Ok(()),
            Self::Ack(ack) => ack.write(writer),
        }
    }
}

fn read_sqn(reader: &mut Reader<'_>) -> Result<Sqn, ParseError> {
    reader.u32().map(Sqn)
}

impl Spm {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            sqn: read_sqn(reader)?,
            trail: read_sqn(reader)?,
            lead: read_sqn(reader)?,
            path_nla: nla::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        writer.u32(self.sqn.0)?;
        writer.u32(self.trail.0)?;
        writer.u32(self.lead.0)?;
        nla::write(writer, self.path_nla)
    }
}

impl Data<'_> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self { sqn: read_sqn(reader)?, trail: read_sqn(reader)?, payload: &[] })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        writer.u32(self.sqn.0)?;
        writer.u32(self.trail.0)
    }
}

impl Nak {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            sqn: read_sqn(reader)?,
            source_nla: nla::read(reader)?,
            group_nla: nla::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        writer.u32(self.sqn.0)?;
        nla::write(writer, self.source_nla)?;
        nla::write(writer, self.group_nla)
    }
}

impl Poll {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            sqn: read_sqn(reader)?,
            round: reader.u16()?,
            sub_type: reader.u16()?,
            path_nla: nla::read(reader)?,
            backoff_us: reader.u32()?,
            random: reader.array()?,
            mask: reader.u32()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        writer.u32(self.sqn.0)?;
        writer.u16(self.round)?;
        writer.u16(self.sub_type)?;
        nla::write(writer, self.path_nla)?;
        writer.u32(self.backoff_us)?;
        writer.put(&self.random)?;
        writer.u32(self.mask)
    }
}

impl Polr {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let polr = Self { sqn: read_sqn(reader)?, round: reader.u16()? };
        let _reserved = reader.u16()?;
        Ok(polr)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        writer.u32(self.sqn.0)?;
        writer.u16(self.round)?;
        writer.u16(0)
    }
}

impl Ack {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self { rx_max: read_sqn(reader)?, bitmap: reader.u32()? })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BuildError> {
        writer.u32(self.rx_max.0)?;
        writer.u32(self.bitmap)
    }
}
