//! Connecting through a SOCKS5 proxy (RFC 1928, passwords RFC 1929): the protocol without I/O, and its driver.
//!
//! The proxy gets the target as it was written: names are resolved over there. The driver blocks; it runs on the thread
//! that resolves names for an attempt, never on an I/O thread.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use zeroring_base::time::{monotonic_ns, saturating_ns};
use zeroring_core::endpoint::{ConnectHost, TcpConnectAddress};
use zeroring_core::options::SocketOptions;

use super::address::malformed;
use super::{resolve, socket};
use crate::stream::retry_interrupted;

/// How long a proxy may take if neither CONNECT_TIMEOUT nor HANDSHAKE_IVL says.
const LIMIT_DEFAULT: Duration = Duration::from_secs(30);

const VERSION: u8 = 5;
const PASSWORD_VERSION: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
/// A reply up to the first byte of its address, which tells how long the rest is.
const REPLY_START_BYTES: usize = 5;

/// What a proxy did wrong, or would not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SocksError {
    #[error("the host name is longer than the 255 bytes that SOCKS5 can carry; use its address")]
    NameTooLong,
    #[error("the proxy speaks no SOCKS5 (it sent {seen}); check SOCKS_PROXY")]
    WrongVersion { seen: u8 },
    #[error(
        "the proxy demands another authentication; set SOCKS_USERNAME and SOCKS_PASSWORD, or clear them"
    )]
    NoMethod,
    #[error("the proxy refused user name and password; check SOCKS_USERNAME and SOCKS_PASSWORD")]
    WrongPassword,
    #[error("the proxy could not connect: {reason} (SOCKS5 reply {code})")]
    Refused { code: u8, reason: &'static str },
    #[error("the proxy's reply has an address of unknown type {seen}")]
    UnknownAddressType { seen: u8 },
}

impl From<SocksError> for io::Error {
    fn from(error: SocksError) -> Self {
        io::Error::other(error)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    AwaitsMethod,
    AwaitsPasswordVerdict,
    AwaitsReply,
    AwaitsRestOfReply,
    Done,
}

/// The client's side of the protocol. What it asks to read is exact: bytes behind the reply are the peer's.
pub(super) struct Socks5 {
    state: State,
    wanted_bytes: usize,
    output: Vec<u8>,
    request: Vec<u8>,
    /// User name and password; `None` offers no authentication.
    credentials: Option<(Vec<u8>, Vec<u8>)>,
}

impl Socks5 {
    /// Begins: the greeting is the first output. An empty `username` means no authentication.
    pub fn new(
        host: &ConnectHost,
        port: u16,
        username: &[u8],
        password: &[u8],
    ) -> Result<Self, SocksError> {
        let credentials = (!username.is_empty()).then(|| (username.to_vec(), password.to_vec()));
        let method = if credentials.is_some() { PASSWORD } else { NO_AUTHENTICATION };
        Ok(Self {
            state: State::AwaitsMethod,
            wanted_bytes: 2,
            output: vec![VERSION, 1, method],
            request: request(host, port)?,
            credentials,
        })
    }

    /// What to send now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// How many bytes to read next; 0 once the tunnel stands.
    pub fn wanted_bytes(&self) -> usize {
        self.wanted_bytes
    }

    /// Takes exactly the bytes that were wanted.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<(), SocksError> {
        match (self.state, bytes) {
            (State::AwaitsMethod, &[version, method]) => self.method_chosen(version, method),
            (State::AwaitsPasswordVerdict, &[_, 0]) => {
                self.send_request();
                Ok(())
            }
            (State::AwaitsPasswordVerdict, _) => Err(SocksError::WrongPassword),
            (State::AwaitsReply, &[version, code, _, kind, first]) => {
                self.reply_begins(version, code, kind, first)
            }
            _ => {
                (self.state, self.wanted_bytes) = (State::Done, 0);
                Ok(())
            }
        }
    }

    fn method_chosen(&mut self, version: u8, method: u8) -> Result<(), SocksError> {
        if version != VERSION {
            return Err(SocksError::WrongVersion { seen: version });
        }
        match (&self.credentials, method) {
            (None, NO_AUTHENTICATION) => self.send_request(),
            (Some((username, password)), PASSWORD) => {
                // The options hold at most 255 bytes each.
                let (username_bytes, password_bytes) = (username.len() as u8, password.len() as u8);
                self.output = vec![PASSWORD_VERSION, username_bytes];
                self.output.extend_from_slice(username);
                self.output.push(password_bytes);
                self.output.extend_from_slice(password);
                (self.state, self.wanted_bytes) = (State::AwaitsPasswordVerdict, 2);
            }
            _ => return Err(SocksError::NoMethod),
        }
        Ok(())
    }

    fn send_request(&mut self) {
        self.output = std::mem::take(&mut self.request);
        (self.state, self.wanted_bytes) = (State::AwaitsReply, REPLY_START_BYTES);
    }

    fn reply_begins(
        &mut self,
        version: u8,
        code: u8,
        kind: u8,
        first: u8,
    ) -> Result<(), SocksError> {
        if version != VERSION {
            return Err(SocksError::WrongVersion { seen: version });
        }
        if code != 0 {
            return Err(SocksError::Refused { code, reason: reason(code) });
        }
        const PORT_BYTES: usize = 2;
        // One byte of the address is here already; of a name it is the length.
        let address_bytes = match kind {
            IPV4 => 3,
            IPV6 => 15,
            NAME => usize::from(first),
            seen => return Err(SocksError::UnknownAddressType { seen }),
        };
        (self.state, self.wanted_bytes) = (State::AwaitsRestOfReply, address_bytes + PORT_BYTES);
        Ok(())
    }
}

fn request(host: &ConnectHost, port: u16) -> Result<Vec<u8>, SocksError> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host {
        ConnectHost::Literal(IpAddr::V4(v4), _) => {
            request.push(IPV4);
            request.extend_from_slice(&v4.octets());
        }
        ConnectHost::Literal(IpAddr::V6(v6), _) => {
            request.push(IPV6);
            request.extend_from_slice(&v6.octets());
        }
        ConnectHost::Name(name) => {
            let name_bytes = u8::try_from(name.len()).map_err(|_| SocksError::NameTooLong)?;
            request.extend_from_slice(&[NAME, name_bytes]);
            request.extend_from_slice(name.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

fn reason(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "its rules forbid it",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reason",
    }
}

/// The proxy's address.
pub(super) fn parse_proxy(options: &SocketOptions) -> io::Result<TcpConnectAddress> {
    let text = String::from_utf8_lossy(&options.socks_proxy);
    TcpConnectAddress::parse(text.trim_end_matches('\0')).map_err(|error| malformed(&error))
}

/// A connection to `target` through the proxy of the options. Blocks until it stands, the proxy refuses, or time is up.
pub(super) fn connect(target: &TcpConnectAddress, options: &SocketOptions) -> io::Result<OwnedFd> {
    let proxy = parse_proxy(options)?;
    let address = resolve::target_address(&proxy.host, proxy.port, options.ipv6)?;
    let (socket, address) = socket::unconnected(address, options)?;
    if let Some(source) = &target.source {
        socket.set_reuse_address(true)?;
        socket.bind(&resolve::source_address(source, address.is_ipv6())?.into())?;
    }
    let tunnel = Tunnel { fd: socket.into(), deadline_ns: deadline_ns(options) };
    match rustix::net::connect(&tunnel.fd, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            tunnel.wait(PollFlags::OUT)?;
            rustix::net::sockopt::socket_error(&tunnel.fd)??;
        }
        Err(error) => return Err(error.into()),
    }
    let (username, password) = (&options.socks_username, &options.socks_password.0);
    let mut protocol = Socks5::new(&target.host, target.port, username, password)?;
    loop {
        tunnel.send(&protocol.take_output())?;
        match protocol.wanted_bytes() {
            0 => return Ok(tunnel.fd),
            wanted_bytes => protocol.handle_input(&tunnel.recv(wanted_bytes)?)?,
        }
    }
}

fn deadline_ns(options: &SocketOptions) -> u64 {
    let limits_ms = [options.connect_timeout_ms, options.handshake_interval_ms];
    let limit = limits_ms.into_iter().find(|ms| *ms > 0);
    let limit = limit.map_or(LIMIT_DEFAULT, |ms| Duration::from_millis(ms.into()));
    monotonic_ns().saturating_add(saturating_ns(limit))
}

/// The descriptor while the proxy is talked to.
struct Tunnel {
    fd: OwnedFd,
    deadline_ns: u64,
}

impl Tunnel {
    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        loop {
            let left_ns = self.deadline_ns.saturating_sub(monotonic_ns());
            let limit = Timespec {
                tv_sec: (left_ns / 1_000_000_000) as _,
                tv_nsec: (left_ns % 1_000_000_000) as _,
            };
            match poll(&mut [PollFd::from_borrowed_fd(self.fd.as_fd(), flags)], Some(&limit)) {
                Ok(0) => return Err(ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.wait(PollFlags::OUT)?;
            let send = || rustix::net::send(&self.fd, bytes, SendFlags::NOSIGNAL);
            bytes = &bytes[retry_interrupted(send)?..];
        }
        Ok(())
    }

    /// Exactly so many bytes.
    fn recv(&self, wanted_bytes: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; wanted_bytes];
        let mut filled = 0;
        while filled < wanted_bytes {
            self.wait(PollFlags::IN)?;
            let rest = &mut bytes[filled..];
            match retry_interrupted(|| rustix::net::recv(&self.fd, &mut *rest, RecvFlags::empty()))?
            {
                (0, _) => return Err(ErrorKind::UnexpectedEof.into()),
                (n, _) => filled += n,
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ConnectHost {
        ConnectHost::Name(text.to_owned())
    }

    /// Feeds the replies, each of exactly the wanted length; returns everything that was sent.
    fn talk(mut protocol: Socks5, replies: &[&[u8]]) -> Result<Vec<Vec<u8>>, SocksError> {
        let mut sent = vec![protocol.take_output()];
        for reply in replies {
            assert_eq!(protocol.wanted_bytes(), reply.len());
            protocol.handle_input(reply)?;
            sent.push(protocol.take_output());
        }
        assert_eq!(protocol.wanted_bytes(), 0, "the tunnel stands");
        Ok(sent)
    }

    #[test]
    fn a_name_goes_to_the_proxy_unresolved() {
        let protocol = Socks5::new(&name("peer.invalid"), 5555, b"", b"unused").expect("short");
        let replies: [&[u8]; 3] = [&[5, 0], &[5, 0, 0, 1, 127], &[0, 0, 1, 4, 210]];
        let sent = talk(protocol, &replies).expect("accepted");
        assert_eq!(sent[0], [5, 1, 0]);
        assert_eq!(sent[1], b"\x05\x01\x00\x03\x0cpeer.invalid\x15\xb3");
        assert!(sent[2].is_empty() && sent[3].is_empty());
    }

    #[test]
    fn addresses_go_as_addresses() {
        let sent = |text: &str| {
            let host = ConnectHost::Literal(text.parse().expect("an address"), None);
            Socks5::new(&host, 1, b"", b"").expect("short").request
        };
        assert_eq!(sent("1.2.3.4"), [5, 1, 0, 1, 1, 2, 3, 4, 0, 1]);
        let v6 = sent("::1");
        assert_eq!((&v6[..4], v6.len(), v6[19]), (&[5, 1, 0, 4][..], 22, 1));
    }

    #[test]
    fn a_user_name_asks_for_a_password() {
        let protocol = Socks5::new(&name("x"), 1, b"ann", b"secret").expect("short");
        let rest_of_name = [0; 5];
        let replies: [&[u8]; 4] = [&[5, 2], &[1, 0], &[5, 0, 0, 3, 3], &rest_of_name];
        let sent = talk(protocol, &replies).expect("accepted");
        assert_eq!(sent[0], [5, 1, 2]);
        assert_eq!(sent[1], b"\x01\x03ann\x06secret");
        assert_eq!(sent[2], b"\x05\x01\x00\x03\x01x\x00\x01");
    }

    #[test]
    fn what_a_proxy_refuses_is_named() {
        let plain = || Socks5::new(&name("x"), 1, b"", b"").expect("short");
        let secret = || Socks5::new(&name("x"), 1, b"a", b"b").expect("short");
        assert_eq!(talk(plain(), &[&[4, 0]]), Err(SocksError::WrongVersion { seen: 4 }));
        assert_eq!(talk(plain(), &[&[5, 0xff]]), Err(SocksError::NoMethod));
        assert_eq!(talk(plain(), &[&[5, 2]]), Err(SocksError::NoMethod), "not offered");
        assert_eq!(talk(secret(), &[&[5, 0]]), Err(SocksError::NoMethod), "not offered");
        assert_eq!(talk(secret(), &[&[5, 2], &[1, 1]]), Err(SocksError::WrongPassword));
        let refused = SocksError::Refused { code: 5, reason: "connection refused" };
        assert_eq!(talk(plain(), &[&[5, 0], &[5, 5, 0, 1, 0]]), Err(refused));
        let unknown = SocksError::UnknownAddressType { seen: 2 };
        assert_eq!(talk(plain(), &[&[5, 0], &[5, 0, 0, 2, 0]]), Err(unknown));
        let long = Socks5::new(&name(&"x".repeat(256)), 1, b"", b"");
        assert_eq!(long.map(drop), Err(SocksError::NameTooLong));
    }
}
