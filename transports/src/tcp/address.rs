//! Between parsed addresses and the system's: scopes, error numbers, numeric text.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use rustix::io::Errno;
use rustix::net::netdevice::{index_to_name, name_to_index};
use zeroring_core::endpoint::{EndpointError, Scope};

/// A malformed address as `bind` and `connect` report it: by number.
pub(super) fn malformed(error: &EndpointError) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}

/// The number of the interface that a scope names, 0 without one.
///
/// # Errors
/// `EINVAL` if there is no such interface.
pub(super) fn scope_number(scope: Option<&Scope>) -> io::Result<u32> {
    match scope {
        None => Ok(0),
        Some(Scope::Index(number)) => Ok(*number),
        Some(Scope::Name(name)) => {
            name_to_index(&any_socket()?, name).map_err(|_| Errno::INVAL.into())
        }
    }
}

/// The numeric host, as getnameinfo writes it: a link-local address keeps its scope, by interface name.
pub(super) fn host_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), scope_text(v6)),
        other => other.ip().to_string(),
    }
}

fn scope_text(address: &SocketAddrV6) -> String {
    let number = address.scope_id();
    let named = is_link_local(address.ip())
        .then(any_socket)
        .and_then(Result::ok)
        .and_then(|socket| index_to_name(&socket, number).ok());
    named.unwrap_or_else(|| number.to_string())
}

fn is_link_local(ip: &Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    first & 0xffc0 == 0xfe80 || first & 0xff0f == 0xff02
}

/// The kernel translates interface names for any socket.
fn any_socket() -> io::Result<socket2::Socket> {
    socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::DGRAM, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_become_numbers() {
        assert_eq!(scope_number(None).expect("none"), 0);
        assert_eq!(scope_number(Some(&Scope::Index(3))).expect("a number"), 3);
        assert_eq!(scope_number(Some(&Scope::Name("lo".into()))).expect("lo is there"), 1);
        let unknown = scope_number(Some(&Scope::Name("no-such-if".into()))).expect_err("unknown");
        assert_eq!(unknown.raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn scopes_are_written_by_name() {
        let address = |ip: &str, scope| {
            SocketAddr::V6(SocketAddrV6::new(ip.parse().expect("ip"), 1, 0, scope))
        };
        assert_eq!(host_text(&address("fe80::1", 1)), "fe80::1%lo");
        assert_eq!(host_text(&address("2001:db8::1", 1)), "2001:db8::1%1");
        assert_eq!(host_text(&address("::ffff:10.0.0.1", 0)), "::ffff:10.0.0.1");
    }
}
