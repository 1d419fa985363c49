//! The single option: every type RFC 3208 and PGMCC define, in the lengths deployed peers use.

use core::net::IpAddr;

mod kind;
mod nak_list;
mod read;
mod write;

pub(super) use kind::LENGTH;
pub use nak_list::{NAK_LIST_MAX, NakList};
pub(super) use read::read;
pub(super) use write::write;

use super::header::PacketType;
use crate::sqn::Sqn;

/// Most bytes after the four that every option has.
const CONTENT_BYTES_MAX: usize = 251;

/// F bit of byte 2: the content went through the parity encoder.
const OP_ENCODED: u8 = 0x04;

const PROACTIVE: u8 = 0x01;
const ON_DEMAND: u8 = 0x02;
const NAKS_USELESS: u8 = 0x40;
const RST_ERROR: u8 = 0x3F;

/// An option of a packet, OPT_LENGTH and the end mark left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PgmOption<'a> {
    /// OPT_FRAGMENT: this payload is a piece of a larger message. 16 bytes as deployed, although
    /// the RFC says 12.
    Fragment {
        /// First packet of the message.
        first_sqn: Sqn,
        /// Where the piece belongs.
        offset: u32,
        /// Bytes of the whole message.
        apdu_length: u32,
    },
    /// OPT_NAK_LIST: more packets that the NAK or NCF names.
    NakList(NakList<'a>),
    /// OPT_JOIN: late joiners may ask for data from here on.
    Join(Sqn),
    /// OPT_NAK_BO_IVL: how long to wait before a NAK.
    NakBackoffInterval {
        /// The interval in microseconds.
        interval_us: u32,
        /// The poll it follows from; 0 means "use it now".
        poll_sqn: Sqn,
    },
    /// OPT_NAK_BO_RNG: the range for the interval.
    NakBackoffRange {
        /// Longest, in microseconds.
        max_us: u32,
        /// Shortest, in microseconds.
        min_us: u32,
    },
    /// OPT_REDIRECT: the repairer that takes NAKs from now on.
    Redirect(IpAddr),
    /// OPT_PARITY_PRM: the source offers forward error correction.
    ParityPrm {
        /// Packets of a transmission group.
        group_packets: u32,
        /// Parity is sent unasked (bit 0x01 as deployed).
        proactive: bool,
        /// Parity is sent on request (bit 0x02 as deployed).
        on_demand: bool,
    },
    /// OPT_PARITY_GRP: parity group number, at least 1.
    ParityGrp(u32),
    /// OPT_CURR_TGSIZE: packets of a shortened transmission group.
    CurrTgsize(u32),
    /// OPT_NBR_UNREACH: the network element upstream is gone.
    NbrUnreach,
    /// OPT_PATH_NLA: the address of whoever sent the NCF.
    PathNla(IpAddr),
    /// OPT_SYN: the first data of a session.
    Syn,
    /// OPT_FIN: the session ends normally.
    Fin,
    /// OPT_RST: the session ends abnormally.
    Rst {
        /// N bit: nothing more will be repaired.
        naks_useless: bool,
        /// Six bits of reason.
        error: u8,
    },
    /// OPT_CR: a receiver's congestion report.
    CongestionReport(Feedback),
    /// OPT_CRQST: asks for congestion reports.
    CongestionRequest(Reports),
    /// OPT_PGMCC_DATA: congestion control on data.
    PgmccData {
        /// The sender's clock.
        timestamp_ms: u32,
        /// Who acknowledges; address 0 starts an election.
        acker: IpAddr,
    },
    /// OPT_PGMCC_FEEDBACK: congestion control on acknowledgements.
    PgmccFeedback {
        /// The sender's clock, echoed with the local delay added.
        timestamp_ms: u32,
        /// Loss as a share of 65535.
        loss_rate: u16,
        /// Who acknowledges.
        receiver: IpAddr,
    },
    /// OPT_INVALID: a network element struck the option out.
    Invalidated {
        /// What is left.
        content: &'a [u8],
    },
    /// Any option of a parity packet whose content went through the parity encoder.
    Encoded {
        /// Type of the option that was encoded.
        kind: u8,
        /// Byte 3; bit 0x80 marks that this original had no such option.
        specific: u8,
        /// The bytes after it.
        content: &'a [u8],
    },
    /// A type that is not known here: skip it.
    Unknown {
        /// Its type, without the end mark.
        kind: u8,
        /// Byte 3.
        specific: u8,
        /// The bytes after it.
        content: &'a [u8],
    },
}

/// Which congestion figures are asked for or given (byte 3 of OPT_CR and OPT_CRQST).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reports {
    /// L, 0x04: worst link loss, by network elements.
    pub worst_link: bool,
    /// P, 0x02: worst path loss, by network elements.
    pub worst_path: bool,
    /// R, 0x01: loss at the receiver.
    pub receiver: bool,
}

impl Reports {
    const fn from_bits(bits: u8) -> Self {
        Self {
            worst_link: bits & 0x04 != 0,
            worst_path: bits & 0x02 != 0,
            receiver: bits & 0x01 != 0,
        }
    }

    const fn bits(self) -> u8 {
        (self.worst_link as u8) << 2 | (self.worst_path as u8) << 1 | self.receiver as u8
    }
}

/// The content of OPT_CR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback {
    /// Which of the figures are valid.
    pub reports: Reports,
    /// The newest packet known to the receiver.
    pub reference_sqn: Sqn,
    /// Worst loss of a link on the way.
    pub worst_link: u16,
    /// Worst loss of a path on the way.
    pub worst_path: u16,
    /// Loss at the receiver itself.
    pub receiver_worst_path: u16,
    /// Who reports.
    pub receiver: IpAddr,
}

impl PgmOption<'_> {
    /// The option's type, without the end mark.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Fragment { .. } => kind::FRAGMENT,
            Self::NakList(_) => kind::NAK_LIST,
            Self::Join(_) => kind::JOIN,
            Self::NakBackoffInterval { .. } => kind::NAK_BO_IVL,
            Self::NakBackoffRange { .. } => kind::NAK_BO_RNG,
            Self::Redirect(_) => kind::REDIRECT,
            Self::ParityPrm { .. } => kind::PARITY_PRM,
            Self::ParityGrp(_) => kind::PARITY_GRP,
            Self::CurrTgsize(_) => kind::CURR_TGSIZE,
            Self::NbrUnreach => kind::NBR_UNREACH,
            Self::PathNla(_) => kind::PATH_NLA,
            Self::Syn => kind::SYN,
            Self::Fin => kind::FIN,
            Self::Rst { .. } => kind::RST,
            Self::CongestionReport(_) => kind::CR,
            Self::CongestionRequest(_) => kind::CRQST,
            Self::PgmccData { .. } => kind::PGMCC_DATA,
            Self::PgmccFeedback { .. } => kind::PGMCC_FEEDBACK,
            Self::Invalidated { .. } => kind::INVALID,
            Self::Encoded { kind, .. } | Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Whether network elements have to look at it in a packet of this type.
    pub const fn is_network_significant(&self, packet: PacketType) -> bool {
        match self.kind() {
            kind::CURR_TGSIZE => !matches!(packet, PacketType::Odata),
            kind::NAK_LIST | kind::NAK_BO_IVL | kind::NAK_BO_RNG => true,
            kind::REDIRECT | kind::PARITY_PRM | kind::NBR_UNREACH | kind::PATH_NLA => true,
            kind::CR | kind::CRQST => true,
            _ => false,
        }
    }
}
