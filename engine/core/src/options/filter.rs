//! Values of the two options with a grammar: `TCP_ACCEPT_FILTER` and `METADATA`.

use std::net::{IpAddr, Ipv6Addr};

use super::error::{ExpectedLength, OptionError};

/// An address range such as `10.0.0.0/8`; accepts peers whose first bits agree.
///
/// Source: `ZMQ_TCP_ACCEPT_FILTER`.
///
/// ```
/// use zeroring_core::options::AddressFilter;
/// let filter = AddressFilter::parse(b"10.0.0.0/8", false)?;
/// assert!(filter.matches([10, 1, 2, 3].into()));
/// # Ok::<(), zeroring_core::options::OptionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressFilter {
    network: IpAddr,
    prefix_bits: u8,
}

const ACCEPT_FILTER: &str = "TCP_ACCEPT_FILTER";
const ACCEPT_FILTER_FORM: OptionError = OptionError::Malformed {
    name: ACCEPT_FILTER,
    advice: "expected a literal address of the family chosen by IPV6, or address/bits",
};

impl AddressFilter {
    /// Parses `address` or `address/bits`.
    ///
    /// With `ipv6` an IPv4 literal is taken as its IPv6-mapped form and the bits count from there,
    /// as libzmq does; without it an IPv6 literal is refused. Names are never looked up.
    ///
    /// # Errors
    /// [`OptionError::WrongLength`] outside 1 to 255 bytes, [`OptionError::Malformed`] otherwise.
    ///
    /// ```
    /// use zeroring_core::options::AddressFilter;
    /// assert!(AddressFilter::parse(b"192.168.1.7", false).is_ok());
    /// assert!(AddressFilter::parse(b"localhost", false).is_err());
    /// ```
    pub fn parse(text: &[u8], ipv6: bool) -> Result<Self, OptionError> {
        if text.is_empty() || text.len() > 255 {
            let expected = ExpectedLength::Between(1, 255);
            return Err(OptionError::WrongLength {
                name: ACCEPT_FILTER,
                seen: text.len(),
                expected,
            });
        }
        // C callers often count the terminating NUL.
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        let text = std::str::from_utf8(text).map_err(|_| ACCEPT_FILTER_FORM)?;
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network = parse_literal(address, ipv6).ok_or(ACCEPT_FILTER_FORM)?;
        let max_bits = if network.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => max_bits,
            Some(bits) => parse_bits(bits, max_bits).ok_or(ACCEPT_FILTER_FORM)?,
        };
        Ok(Self { network, prefix_bits })
    }

    /// Whether a peer at `address` passes.
    ///
    /// IPv4 addresses and their IPv6-mapped forms are the same address here, so the answer does
    /// not depend on whether the listener is dual-stack.
    ///
    /// ```
    /// use zeroring_core::options::AddressFilter;
    /// let filter = AddressFilter::parse(b"127.0.0.0/8", false)?;
    /// assert!(filter.matches([127, 0, 0, 2].into()));
    /// assert!(!filter.matches([128, 0, 0, 2].into()));
    /// # Ok::<(), zeroring_core::options::OptionError>(())
    /// ```
    #[must_use]
    pub fn matches(&self, address: IpAddr) -> bool {
        let offset = if self.network.is_ipv4() { 96 } else { 0 };
        let significant_bits = offset + u32::from(self.prefix_bits);
        let differing = to_bits(self.network) ^ to_bits(address);
        differing.leading_zeros() >= significant_bits
    }
}

/// The address in IPv6 space as one number, so that a shared prefix is a count of leading zeros.
fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn parse_literal(text: &str, ipv6: bool) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let address = match bare {
        Some(inner) => IpAddr::V6(inner.parse::<Ipv6Addr>().ok()?),
        None => text.parse::<IpAddr>().ok()?,
    };
    match (address, ipv6) {
        (IpAddr::V4(v4), true) => Some(IpAddr::V6(v4.to_ipv6_mapped())),
        (IpAddr::V6(_), false) => None,
        (address, _) => Some(address),
    }
}

fn parse_bits(text: &str, max_bits: u8) -> Option<u8> {
    // `u8::from_str` would take a leading plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<u8>().ok().filter(|bits| *bits <= max_bits)
}

/// One property the application adds to the handshake (`METADATA`).
///
/// Source: `ZMQ_METADATA`.
///
/// ```
/// use zeroring_core::options::MetadataProperty;
/// let property = MetadataProperty { name: b"X-site".to_vec(), value: b"north".to_vec() };
/// assert_eq!(MetadataProperty::parse(b"X-site:north"), Ok(property));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataProperty {
    /// Name, starting with `X-`, 2 to 255 bytes.
    pub name: Vec<u8>,
    /// Value, without NUL; may be empty.
    pub value: Vec<u8>,
}

const METADATA: &str = "METADATA";

impl MetadataProperty {
    /// Parses `X-name:value`; the value ends at the first NUL.
    ///
    /// Four bytes are refused whatever they hold: libzmq takes them for an integer.
    ///
    /// # Errors
    /// [`OptionError::WrongLength`] for an empty text, [`OptionError::Malformed`] otherwise.
    ///
    /// ```
    /// use zeroring_core::options::MetadataProperty;
    /// assert_eq!(MetadataProperty::parse(b"X-site:north")?.value, b"north");
    /// assert!(MetadataProperty::parse(b"site:north").is_err());
    /// # Ok::<(), zeroring_core::options::OptionError>(())
    /// ```
    pub fn parse(text: &[u8]) -> Result<Self, OptionError> {
        if text.is_empty() {
            let expected = ExpectedLength::AtLeast(5);
            return Err(OptionError::WrongLength { name: METADATA, seen: 0, expected });
        }
        let malformed = OptionError::Malformed {
            name: METADATA,
            advice: "expected X-name:value of at least 5 bytes with a name of at most 255",
        };
        let colon = memchr::memchr(b':', text).filter(|at| *at + 1 < text.len());
        let Some(colon) = colon else { return Err(malformed) };
        let (name, value) = (&text[..colon], &text[colon + 1..]);
        if text.len() == 4 || !name.starts_with(b"X-") || name.len() > 255 {
            return Err(malformed);
        }
        let end = memchr::memchr(0, value).unwrap_or(value.len());
        Ok(Self { name: name.to_vec(), value: value[..end].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("test address")
    }

    #[test]
    fn a_filter_matches_its_range_only() {
        let filter = AddressFilter::parse(b"10.1.0.0/16", false).expect("valid");
        assert!(filter.matches(ip("10.1.255.3")));
        assert!(filter.matches(ip("::ffff:10.1.2.3")));
        assert!(!filter.matches(ip("10.2.0.1")));
        let one = AddressFilter::parse(b"127.0.0.1\0", false).expect("valid");
        assert!(one.matches(ip("127.0.0.1")));
        assert!(!one.matches(ip("127.0.0.2")));
        let all = AddressFilter::parse(b"0.0.0.0/0", false).expect("valid");
        assert!(all.matches(ip("203.0.113.9")));
        assert!(!all.matches(ip("2001:db8::1")));
        let six = AddressFilter::parse(b"[2001:db8::]/32", true).expect("valid");
        assert!(six.matches(ip("2001:db8:1::7")));
        assert!(!six.matches(ip("2001:db9::1")));
        assert!(AddressFilter::parse(b"::/0", true).expect("valid").matches(ip("1.2.3.4")));
    }

    #[test]
    fn bad_filters_are_refused() {
        for (text, ipv6) in [
            ("", false),
            ("localhost", false),
            ("1.2.3.4/", false),
            ("1.2.3.4/33", false),
            ("1.2.3.4/+3", false),
            ("1.2.3.4/-1", false),
            ("::1", false),
            ("::1/129", true),
            ("[1.2.3.4]", true),
            ("/8", false),
        ] {
            assert!(AddressFilter::parse(text.as_bytes(), ipv6).is_err(), "{text}");
        }
        assert!(AddressFilter::parse(&[b'1'; 256], false).is_err());
    }

    #[test]
    fn metadata_follows_its_grammar() {
        let property = MetadataProperty::parse(b"X-colour:a:b\0junk").expect("valid");
        assert_eq!((&property.name[..], &property.value[..]), (&b"X-colour"[..], &b"a:b"[..]));
        for text in ["", "X-a", "X-a:", ":X-a", "Y-a:b", "x-a:b", "X-:a"] {
            assert!(MetadataProperty::parse(text.as_bytes()).is_err(), "{text}");
        }
        let mut long = b"X-".to_vec();
        long.resize(255, b'n');
        assert!(MetadataProperty::parse(&[&long[..], b":v"].concat()).is_ok());
        long.push(b'n');
        assert!(MetadataProperty::parse(&[&long[..], b":v"].concat()).is_err());
    }
}
