//! Addresses of the tcp transport: `host:port` to bind, `[source;]host:port` to connect.
//!
//! Stricter than libzmq in one respect: it reads ports like `atoi` into 16 bits (`80abc` is 80,
//! 70000 is 4464); here such ports are refused.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::EndpointError;

/// The scope id of an IPv6 link-local address (`fe80::1%eth0`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Number of an interface, not 0.
    Index(u32),
    /// Name of an interface.
    Name(String),
}

/// The interfaces to bind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BindHost {
    /// `*`: all interfaces.
    Any,
    /// A literal address; only IPv6 ones have a scope.
    Literal(IpAddr, Option<Scope>),
    /// To look up: first as an interface, then, unless it is the source of a connect, as a host.
    Name(String),
}

/// The host to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConnectHost {
    /// A literal address; only IPv6 ones have a scope.
    Literal(IpAddr, Option<Scope>),
    /// A host name, to be resolved before each attempt.
    Name(String),
}

/// `host:port` of a bind, or the source of a connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TcpBindAddress {
    /// The interfaces.
    pub host: BindHost,
    /// The port; 0, also written `*`, lets the system choose.
    pub port: u16,
}

/// `[source;]host:port` of a connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TcpConnectAddress {
    /// Address to bind before connecting.
    pub source: Option<TcpBindAddress>,
    /// The peer.
    pub host: ConnectHost,
    /// The peer's port. 0 parses, as in libzmq, and no attempt will succeed.
    pub port: u16,
}

impl TcpBindAddress {
    /// Parses `host:port`.
    ///
    /// # Errors
    /// An [`EndpointError`]; all here are `EINVAL`.
    pub fn parse(address: &str) -> Result<Self, EndpointError> {
        let (host, port) = split_port(address)?;
        let port = match port {
            "*" | "0" => 0,
            digits => parse_port(digits).filter(|port| *port != 0).ok_or_else(|| bad_port(port))?,
        };
        let host = if host == "*" || host == "[*]" {
            BindHost::Any
        } else {
            match parse_host(host)? {
                ConnectHost::Literal(address, scope) => BindHost::Literal(address, scope),
                ConnectHost::Name(name) => BindHost::Name(name),
            }
        };
        Ok(Self { host, port })
    }
}

impl TcpConnectAddress {
    /// Parses `[source;]host:port`.
    ///
    /// # Errors
    /// An [`EndpointError`]; all here are `EINVAL`.
    pub fn parse(address: &str) -> Result<Self, EndpointError> {
        check_characters(address)?;
        let (source, target) = match address.rsplit_once(';') {
            Some((source, target)) => (Some(TcpBindAddress::parse(source)?), target),
            None => (None, address),
        };
        let (host, port) = split_port(target)?;
        let port = parse_port(port).ok_or_else(|| bad_port(port))?;
        if host == "*" || host == "[*]" {
            return Err(EndpointError::WildcardHost);
        }
        Ok(Self { source, host: parse_host(host)?, port })
    }
}

/// The check libzmq makes at once, before any lookup.
fn check_characters(address: &str) -> Result<(), EndpointError> {
    for (at, seen) in address.char_indices() {
        let first = seen.is_ascii_alphanumeric() || matches!(seen, '[' | ':');
        let later = matches!(seen, '.' | '-' | '%' | ';' | ']' | '_' | '*');
        if at == 0 && seen == '*' && !address.contains(';') {
            return Err(EndpointError::WildcardHost);
        }
        if !(first || at > 0 && later) {
            return Err(EndpointError::BadCharacter { seen, at });
        }
    }
    Ok(())
}

fn split_port(address: &str) -> Result<(&str, &str), EndpointError> {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() => Ok((host, port)),
        _ => Err(EndpointError::MissingPort { address: address.to_owned() }),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` would take a leading plus sign.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn bad_port(port: &str) -> EndpointError {
    EndpointError::BadPort { port: port.to_owned() }
}

fn parse_host(text: &str) -> Result<ConnectHost, EndpointError> {
    if text.is_empty() {
        return Err(EndpointError::MissingHost);
    }
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    if let Some((address, scope)) = bare.rsplit_once('%') {
        let bad_scope = || EndpointError::BadScope { scope: scope.to_owned() };
        let address = address.parse::<Ipv6Addr>().map_err(|_| bad_scope())?;
        let scope = parse_scope(scope).ok_or_else(bad_scope)?;
        return Ok(ConnectHost::Literal(IpAddr::V6(address), Some(scope)));
    }
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(ConnectHost::Literal(address, None));
    }
    // Brackets are for addresses, so a name is taken as a whole.
    if !is_possible_name(text) {
        return Err(EndpointError::BadHost { host: text.to_owned() });
    }
    Ok(ConnectHost::Name(text.to_owned()))
}

fn parse_scope(text: &str) -> Option<Scope> {
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) && is_possible_name(text) {
        return Some(Scope::Name(text.to_owned()));
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|index| *index != 0).map(Scope::Index)
}

/// Keeps out what would be ambiguous or can never be looked up; the lookup judges the rest.
fn is_possible_name(text: &str) -> bool {
    let separates = |c: char| matches!(c, '[' | ']' | ':' | ';' | '%' | '*' | '/');
    !text.is_empty()
        && !text.contains(|c: char| separates(c) || c.is_whitespace() || c.is_control())
}

fn write_literal(
    f: &mut fmt::Formatter<'_>,
    address: &IpAddr,
    scope: Option<&Scope>,
) -> fmt::Result {
    match (address, scope) {
        (IpAddr::V4(address), _) => write!(f, "{address}"),
        (IpAddr::V6(address), None) => write!(f, "[{address}]"),
        (IpAddr::V6(address), Some(Scope::Index(index))) => write!(f, "[{address}%{index}]"),
        (IpAddr::V6(address), Some(Scope::Name(name))) => write!(f, "[{address}%{name}]"),
    }
}

impl fmt::Display for TcpBindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            BindHost::Any => f.write_str("*")?,
            BindHost::Literal(address, scope) => write_literal(f, address, scope.as_ref())?,
            BindHost::Name(name) => f.write_str(name)?,
        }
        write!(f, ":{}", self.port)
    }
}

impl fmt::Display for TcpConnectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            // A connect must not start with `*`, but the bracketed form is allowed.
            Some(TcpBindAddress { host: BindHost::Any, port }) => write!(f, "[*]:{port};")?,
            Some(source) => write!(f, "{source};")?,
            None => {}
        }
        match &self.host {
            ConnectHost::Literal(address, scope) => write_literal(f, address, scope.as_ref())?,
            ConnectHost::Name(name) => f.write_str(name)?,
        }
        write!(f, ":{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(text: &str) -> TcpBindAddress {
        let address = TcpBindAddress::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(TcpBindAddress::parse(&address.to_string()).as_ref(), Ok(&address));
        address
    }

    fn connect(text: &str) -> TcpConnectAddress {
        let address = TcpConnectAddress::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(TcpConnectAddress::parse(&address.to_string()).as_ref(), Ok(&address));
        address
    }

    fn literal(text: &str) -> BindHost {
        BindHost::Literal(text.parse().expect("test address"), None)
    }

    #[test]
    fn bind_hosts() {
        assert_eq!(bind("*:5555"), TcpBindAddress { host: BindHost::Any, port: 5555 });
        assert_eq!(bind("[*]:5555").host, BindHost::Any);
        assert_eq!(bind("127.0.0.1:1").host, literal("127.0.0.1"));
        assert_eq!(bind("[::1]:1").host, literal("::1"));
        assert_eq!(bind("::1:1").host, literal("::1"));
        assert_eq!(bind(":::1").host, literal("::"));
        assert_eq!(bind("[127.0.0.1]:1").host, literal("127.0.0.1"));
        assert_eq!(bind("eth0:1").host, BindHost::Name("eth0".to_owned()));
        assert_eq!(bind("localhost:1").host, BindHost::Name("localhost".to_owned()));
    }

    #[test]
    fn bind_ports() {
        assert_eq!(bind("*:*").port, 0);
        assert_eq!(bind("*:0").port, 0);
        assert_eq!(bind("*:05555").port, 5555);
        assert_eq!(bind("*:65535").port, 65_535);
        for text in ["*:65536", "*:70000", "*:80abc", "*:abc", "*:-1", "*:+1", "*:00", "*: 1"] {
            let error = TcpBindAddress::parse(text).expect_err(text);
            assert!(matches!(error, EndpointError::BadPort { .. }), "{text}: {error}");
        }
        for text in ["", "*", "localhost", "*:"] {
            let error = TcpBindAddress::parse(text).expect_err(text);
            assert!(matches!(error, EndpointError::MissingPort { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn scopes() {
        let address = "fe80::1".parse().expect("test address");
        let scoped = |scope| BindHost::Literal(address, Some(scope));
        assert_eq!(bind("[fe80::1%eth0]:1").host, scoped(Scope::Name("eth0".to_owned())));
        assert_eq!(bind("fe80::1%2:1").host, scoped(Scope::Index(2)));
        for text in ["[fe80::1%]:1", "[fe80::1%0]:1", "127.0.0.1%lo:1", "eth0%2:1", "::1%-1:1"] {
            let error = TcpBindAddress::parse(text).expect_err(text);
            assert!(matches!(error, EndpointError::BadScope { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn junk_hosts_are_refused() {
        for text in
            [":5555", "[]:1", "[::1:1", "::1]:1", "a:b:1", "a b:1", "[fe80::1]%2:1", "[a]:1"]
        {
            let error = TcpBindAddress::parse(text).expect_err(text);
            assert_eq!(error.errno(), 22, "{text}: {error}");
        }
    }

    #[test]
    fn connect_addresses() {
        let address = connect("192.168.1.17:0;server:5555");
        assert_eq!(address.source, Some(bind("192.168.1.17:0")));
        assert_eq!(address.host, ConnectHost::Name("server".to_owned()));
        assert_eq!(address.port, 5555);
        assert_eq!(connect("eth0:*;[::1]:1").source, Some(bind("eth0:0")));
        assert_eq!(connect("[*]:0;h:1").source, Some(bind("*:0")));
        assert_eq!(connect("my_host-1.example:1").source, None);
        assert_eq!(connect("h:0").port, 0);
        assert_eq!(connect("::1:1").host, connect("[::1]:1").host);
    }

    #[test]
    fn connect_refuses_what_libzmq_refuses_at_once() {
        for text in [
            "localhost:*",
            "localhost",
            "localhost:",
            "local host:1",
            "localhost:1/",
            "-host:1",
            "*:1",
            "*:0;h:1",
            "h:1 ",
            "höst:1",
            "",
            ";h:1",
            "h:1;",
            ":1",
            "h:80abc",
            "h:70000",
            "1.2.3.4:0;*:1",
            "a:0;b:0;h:1",
        ] {
            let error = TcpConnectAddress::parse(text).expect_err(text);
            assert_eq!(error.errno(), 22, "{text}: {error}");
        }
    }
}
