//! Type numbers of the options.

pub(crate) const LENGTH: u8 = 0x00;
pub(crate) const FRAGMENT: u8 = 0x01;
pub(crate) const NAK_LIST: u8 = 0x02;
pub(crate) const JOIN: u8 = 0x03;
pub(crate) const NAK_BO_IVL: u8 = 0x04;
pub(crate) const NAK_BO_RNG: u8 = 0x05;
pub(crate) const REDIRECT: u8 = 0x07;
pub(crate) const PARITY_PRM: u8 = 0x08;
pub(crate) const PARITY_GRP: u8 = 0x09;
pub(crate) const CURR_TGSIZE: u8 = 0x0A;
pub(crate) const NBR_UNREACH: u8 = 0x0B;
pub(crate) const PATH_NLA: u8 = 0x0C;
pub(crate) const SYN: u8 = 0x0D;
pub(crate) const FIN: u8 = 0x0E;
pub(crate) const RST: u8 = 0x0F;
pub(crate) const CR: u8 = 0x10;
pub(crate) const CRQST: u8 = 0x11;
pub(crate) const PGMCC_DATA: u8 = 0x12;
pub(crate) const PGMCC_FEEDBACK: u8 = 0x13;
pub(crate) const INVALID: u8 = 0x7F;

/// Whether an option of this type is free-form: in range, and without a meaning known here.
pub(crate) const fn is_free(kind: u8) -> bool {
    matches!(kind, 0x06 | 0x14..INVALID)
}
