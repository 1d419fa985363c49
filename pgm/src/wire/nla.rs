//! Network-layer addresses: who takes NAKs, and which group was meant.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::{Reader, Writer};
use super::error::{BuildError, ParseError};

const AFI_IPV4: u16 = 1;
const AFI_IPV6: u16 = 2;

/// Reads family, two reserved bytes and the address. The family decides the length, so nothing
/// behind it may be looked at earlier.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<IpAddr, ParseError> {
    read_with_field(reader).map(|(_reserved, address)| address)
}

/// The same, with the two bytes that are reserved elsewhere.
pub(super) fn read_with_field(reader: &mut Reader<'_>) -> Result<(u16, IpAddr), ParseError> {
    let family = reader.u16()?;
    let field = reader.u16()?;
    let address = match family {
        AFI_IPV4 => Ipv4Addr::from(reader.array::<4>()?).into(),
        AFI_IPV6 => Ipv6Addr::from(reader.array::<16>()?).into(),
        value => return Err(ParseError::AddressFamily { value }),
    };
    Ok((field, address))
}

/// Writes family, two zero bytes and the address.
pub(super) fn write(writer: &mut Writer<'_>, address: IpAddr) -> Result<(), BuildError> {
    write_with_field(writer, 0, address)
}

/// The same, with something else in the two bytes.
pub(super) fn write_with_field(
    writer: &mut Writer<'_>,
    field: u16,
    address: IpAddr,
) -> Result<(), BuildError> {
    writer.u16(family(address))?;
    writer.u16(field)?;
    write_bare(writer, address)
}

/// Writes the address alone.
pub(super) fn write_bare(writer: &mut Writer<'_>, address: IpAddr) -> Result<(), BuildError> {
    match address {
        IpAddr::V4(v4) => writer.put(&v4.octets()),
        IpAddr::V6(v6) => writer.put(&v6.octets()),
    }
}

const fn family(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(_) => AFI_IPV4,
        IpAddr::V6(_) => AFI_IPV6,
    }
}
