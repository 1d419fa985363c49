//! From parsed to numeric addresses. Only names block: they ask the system's resolver.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

use rustix::io::Errno;
use zeroring_core::endpoint::{BindHost, ConnectHost, Scope, TcpBindAddress};

use super::address::scope_number;
use crate::sys::interface_address;

/// Where to listen: `*`, an interface's first address, a literal, or the first result for a name.
pub(super) fn bind_address(address: &TcpBindAddress, ipv6: bool) -> io::Result<SocketAddr> {
    match (local_address(address, ipv6)?, &address.host) {
        (Some(found), _) => Ok(found),
        (None, BindHost::Name(name)) => look_up(name, address.port, ipv6),
        (None, _) => Err(Errno::NODEV.into()),
    }
}

/// Where to connect to: a literal or the first result for a name.
pub(super) fn target_address(host: &ConnectHost, port: u16, ipv6: bool) -> io::Result<SocketAddr> {
    match host {
        ConnectHost::Literal(ip, scope) => literal(*ip, scope.as_ref(), port, ipv6),
        ConnectHost::Name(name) => look_up(name, port, ipv6),
    }
}

/// Where to connect from: like [`bind_address`], but names are not looked up.
pub(super) fn source_address(address: &TcpBindAddress, ipv6: bool) -> io::Result<SocketAddr> {
    local_address(address, ipv6)?.ok_or_else(|| Errno::NODEV.into())
}

fn local_address(address: &TcpBindAddress, ipv6: bool) -> io::Result<Option<SocketAddr>> {
    match &address.host {
        BindHost::Any if ipv6 => Ok(Some((Ipv6Addr::UNSPECIFIED, address.port).into())),
        BindHost::Any => Ok(Some((Ipv4Addr::UNSPECIFIED, address.port).into())),
        BindHost::Literal(ip, scope) => literal(*ip, scope.as_ref(), address.port, ipv6).map(Some),
        BindHost::Name(name) => {
            let mut found = interface_address(name, ipv6)?;
            if let Some(found) = &mut found {
                found.set_port(address.port);
            }
            Ok(found)
        }
    }
}

fn literal(ip: IpAddr, scope: Option<&Scope>, port: u16, ipv6: bool) -> io::Result<SocketAddr> {
    match in_family(ip, ipv6).ok_or(Errno::NODEV)? {
        IpAddr::V4(v4) => Ok((v4, port).into()),
        IpAddr::V6(v6) => Ok(SocketAddrV6::new(v6, port, 0, scope_number(scope)?).into()),
    }
}

/// IPv6 sockets carry IPv4 as mapped addresses; IPv4 sockets carry no IPv6.
fn in_family(ip: IpAddr, ipv6: bool) -> Option<IpAddr> {
    match (ip, ipv6) {
        (IpAddr::V4(v4), true) => Some(v4.to_ipv6_mapped().into()),
        (IpAddr::V6(_), false) => None,
        _ => Some(ip),
    }
}

fn look_up(name: &str, port: u16, ipv6: bool) -> io::Result<SocketAddr> {
    let results = (name, port).to_socket_addrs().map_err(|_| Errno::NODEV)?;
    let results: Vec<SocketAddr> = results.collect();
    // With IPv6 wanted, an IPv6 result goes before a mapped IPv4 one (AI_V4MAPPED).
    let native = results.iter().find(|result| result.is_ipv6() == ipv6);
    let found = *native.or(results.first()).ok_or(Errno::NODEV)?;
    match in_family(found.ip(), ipv6).ok_or(Errno::NODEV)? {
        // As found, with the scope that the resolver may have given.
        ip if ip == found.ip() => Ok(found),
        mapped => Ok((mapped, port).into()),
    }
}

/// The same place in IPv4, for machines without IPv6; `None` if there is none.
pub(super) fn without_ipv6(address: &SocketAddr) -> Option<SocketAddr> {
    let SocketAddr::V6(v6) = address else { return Some(*address) };
    let ip = match v6.ip() {
        &Ipv6Addr::UNSPECIFIED => Ipv4Addr::UNSPECIFIED,
        &Ipv6Addr::LOCALHOST => Ipv4Addr::LOCALHOST,
        other => other.to_ipv4_mapped()?,
    };
    Some(SocketAddr::new(ip.into(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(text: &str, ipv6: bool) -> Result<String, Option<i32>> {
        let address = TcpBindAddress::parse(text).expect("syntax");
        bind_address(&address, ipv6).map(|a| a.to_string()).map_err(|e| e.raw_os_error())
    }

    #[test]
    fn bind_addresses_resolve_in_the_wanted_family() {
        assert_eq!(bind("*:1", false).as_deref(), Ok("0.0.0.0:1"));
        assert_eq!(bind("*:1", true).as_deref(), Ok("[::]:1"));
        assert_eq!(bind("lo:2", false).as_deref(), Ok("127.0.0.1:2"));
        assert_eq!(bind("127.0.0.1:3", true).as_deref(), Ok("[::ffff:127.0.0.1]:3"));
        assert_eq!(bind("[::1]:4", false), Err(Some(libc::ENODEV)));
        assert_eq!(bind("localhost:5", false).as_deref(), Ok("127.0.0.1:5"));
    }

    #[test]
    fn what_does_not_resolve_is_enodev() {
        // ".invalid" is reserved for this (RFC 2606), and the label is too long for any resolver anyway.
        let name = format!("{}.invalid:1", "x".repeat(70));
        assert_eq!(bind(&name, false), Err(Some(libc::ENODEV)));
        let name = TcpBindAddress::parse("localhost:1").expect("syntax");
        let error = source_address(&name, false).expect_err("a source is not looked up");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn a_machine_without_ipv6_gets_the_ipv4_of_the_same_place() {
        let fallback = |text: &str| without_ipv6(&text.parse().expect("address"));
        assert_eq!(fallback("[::]:1"), "0.0.0.0:1".parse().ok());
        assert_eq!(fallback("[::ffff:10.0.0.1]:1"), "10.0.0.1:1".parse().ok());
        assert_eq!(fallback("[2001:db8::1]:1"), None);
    }
}
