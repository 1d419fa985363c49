//! Packets captured from libzmq 4.3.4 with OpenPGM 5.3.128, PGM bytes only. The last three were
//! put together by hand.

/// Name and hexadecimal bytes of every golden packet.
pub const PACKETS: &[(&str, &str)] = &[
    ("first SPM", SPM_FIRST),
    ("ODATA 2", ODATA_2),
    ("NAK 2", NAK_2),
    ("NCF 2", NCF_2),
    ("RDATA 2", RDATA_2),
    ("ODATA 5, two parts", ODATA_5),
    ("SPM with FIN", SPM_FIN),
    ("SPMR", SPMR),
    ("NAK with list", NAK_LIST),
    ("NCF with list", NCF_LIST),
    ("IPv6 SPM", SPM_V6),
    ("IPv6 NAK", NAK_V6),
    ("raw SPM", SPM_RAW),
    ("fragment 9", FRAGMENT_9),
    ("fragment 10", FRAGMENT_10),
    ("SPM with parity", SPM_PARITY),
];

pub const SPM_FIRST: &str = "110615b3000041eab7c6d1bc038a0000
    0000000000000000ffffffff000100000a4d0001";
pub const ODATA_2: &str = "110615b3040016cab7c6d1bc038a0013 0000000200000000
    00001000746f706963206d6573736167652032";
pub const NAK_2: &str = "15b3110608004325b7c6d1bc038a0000
    00000002000100000a4d000100010000efc00701";
pub const NCF_2: &str = "110615b30a004125b7c6d1bc038a0000
    00000002000100000a4d000100010000efc00701";
pub const RDATA_2: &str = "110615b3050015cab7c6d1bc038a0013 0000000200000000
    00001000746f706963206d6573736167652032";
pub const ODATA_5: &str = "110615b30400dab2b7c6d1bc038a0008 0000000500000000
    000002016b020076";
pub const SPM_FIN: &str = "110615b30001b3c2b7c6d1bc038a0000
    0000000e0000000000000008000100000a4d0001 000400088e040000";
pub const SPMR: &str = "15b3dcfb0c007443b7c6d1bc038a0000";
pub const NAK_LIST: &str = "15b328cf0803a84fb7c6d1bc038a0000
    00000039000100000a4d000100010000efc00701 00040010820c00000000003a00000078";
pub const NCF_LIST: &str = "28cf15b30a03a64fb7c6d1bc038a0000
    00000039000100000a4d000100010000efc00701 00040010820c00000000003a00000078";
pub const SPM_V6: &str = "3d8d15b300002237b7c6d1bc038a0000
    0000000000000000ffffffff00020000fd770000000000000000000000000001";
pub const NAK_V6: &str = "15b33d8d080013a6b7c6d1bc038a0000
    0000000200020000fd77000000000000000000000000000100020000ff150000000000000000000000000777";
pub const SPM_RAW: &str = "1c571d4c00002f00b7c6d1bc038a0000
    0000000000000000ffffffff000100000a4d0001";
pub const FRAGMENT_9: &str = "110615b304013f59b7c6d1bc038a0004 0000000900000000
    00040014811000000000000900000000 00000007 46524147";
pub const FRAGMENT_10: &str = "110615b304012ba9b7c6d1bc038a0003 0000000a00000000
    00040014811000000000000900000004 00000007 4d454e";
pub const SPM_PARITY: &str = "110615b30003b9aab7c6d1bc038a0000
    000000110000000000000008000100000a4d0001 0004000c88080003 00000008";

/// The bytes behind hexadecimal digits; white space is skipped.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
