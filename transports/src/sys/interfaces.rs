//! The first address of a network interface, by its name.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The list of `getifaddrs`, freed when dropped.
struct InterfaceList(*mut libc::ifaddrs);

impl InterfaceList {
    fn read() -> io::Result<Self> {
        let mut head = std::ptr::null_mut();
        // SAFETY: `head` is a valid place for the list's address; on success we own the list (freed in `drop`).
        match unsafe { libc::getifaddrs(&mut head) } {
            0 => Ok(Self(head)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for InterfaceList {
    fn drop(&mut self) {
        // SAFETY: the pointer came from getifaddrs and is freed once, here.
        unsafe { libc::freeifaddrs(self.0) }
    }
}

/// The first IPv4 (or, with `ipv6`, IPv6) address of the interface called `name`, with port 0; `None` if there is no
/// such interface or it has no such address.
pub fn interface_address(name: &str, ipv6: bool) -> io::Result<Option<SocketAddr>> {
    let list = InterfaceList::read()?;
    let mut next = list.0;
    while !next.is_null() {
        // SAFETY: a non-null link of a list that lives until the end of this function.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        // SAFETY: getifaddrs gives every entry a NUL-terminated name.
        let entry_name = unsafe { CStr::from_ptr(entry.ifa_name) };
        if entry_name.to_bytes() != name.as_bytes() || entry.ifa_addr.is_null() {
            continue;
        }
        // SAFETY: `ifa_addr` is not null, and points to an address of the size its family says.
        let address = unsafe { socket_address(entry.ifa_addr) };
        if let Some(address) = address.filter(|address| address.is_ipv6() == ipv6) {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// Reads a `sockaddr`; `None` for families other than IP.
///
/// # Safety
/// `address` points to an address as long as its family demands.
unsafe fn socket_address(address: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: the family field exists in every address; reads are unaligned-tolerant, so no alignment is assumed.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: family AF_INET means a sockaddr_in (caller's contract).
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), 0))
        }
        libc::AF_INET6 => {
            // SAFETY: family AF_INET6 means a sockaddr_in6 (caller's contract).
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_its_address() {
        let address = interface_address("lo", false).expect("list").expect("lo is up");
        assert_eq!(address.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn an_unknown_interface_is_none_and_not_an_error() {
        assert_eq!(interface_address("no-such-if0", false).expect("list"), None);
    }
}
