//! Every way a peer can fail the handshake, with the monitor event and the reconnect decision.

use super::*;
use crate::mechanism::NullMechanism;

fn fails(stream: &[u8]) -> HandshakeError {
    fails_for(|| handshake(SocketType::Pull, b""), stream)
}

fn fails_for(make: impl Fn() -> Handshake, stream: &[u8]) -> HandshakeError {
    let at_once = converse(make(), stream, &[usize::MAX >> 1]);
    assert_eq!(converse(make(), stream, &[1]).error, at_once.error);
    at_once.error.expect("a failure")
}

/// A modern greeting followed by one handshake frame with this body.
fn greeting_and(body: &[u8]) -> Vec<u8> {
    let mut stream = modern_peer(3, 1, b"PUSH");
    stream.truncate(64);
    crate::framing::append_frame(4, body, &mut stream);
    stream
}

fn expect(error: &HandshakeError, monitor: MonitorCode) {
    assert_eq!(error.monitor_code(), monitor, "{error}");
    assert!(error.is_fatal_for_connecter(), "{error}");
    assert!(!error.to_string().is_empty());
}

#[test]
fn another_mechanism_or_a_spoilt_padding() {
    for mechanism in [&b"PLAIN"[..], b"NUL", b"NULL\0\0\0x", b"null", b"NULLNULLNULLNULLNULL"] {
        let stream = [SIG, &[3], &rest(1, mechanism)].concat();
        let error = fails(&stream);
        assert!(matches!(error, HandshakeError::MechanismMismatch { .. }));
        expect(&error, MonitorCode::Protocol(protocol_code::MECHANISM_MISMATCH));
    }
}

#[test]
fn unexpected_commands() {
    let code = MonitorCode::Protocol(protocol_code::UNEXPECTED_COMMAND);
    for body in
        [&b""[..], b"\x00", b"\x05HELLO", b"\x05ready", b"\x04PING\0\0", b"\x06READY", b"Hi"]
    {
        let error = fails(&greeting_and(body));
        assert!(matches!(error, HandshakeError::UnexpectedCommand { .. }), "{body:?}");
        expect(&error, code);
    }
}

#[test]
fn anything_after_ready_while_ours_is_held_back() {
    let mut ours = with_zap(SocketType::Pull);
    ours.handle_input(&modern_peer(3, 1, b"PUSH")).unwrap();
    let error = ours.handle_input(&ready(b"PUSH")).unwrap_err();
    expect(&error, MonitorCode::Protocol(protocol_code::UNEXPECTED_COMMAND));
}

#[test]
fn errors_of_the_peer() {
    let cases: [(&[u8], _); 5] = [
        (b"300", MonitorCode::Auth(300)),
        (b"400", MonitorCode::Auth(400)),
        (b"500", MonitorCode::Auth(500)),
        (b"4000", MonitorCode::None),
        (b"", MonitorCode::None),
    ];
    for (reason, monitor) in cases {
        let body = [b"\x05ERROR", &[reason.len() as u8][..], reason].concat();
        let error = fails(&greeting_and(&body));
        assert_eq!(error, HandshakeError::PeerError { reason: reason.to_vec() });
        expect(&error, monitor);
    }
    for body in [&b"\x05ERROR"[..], b"\x05ERROR\x04400"] {
        let error = fails(&greeting_and(body));
        expect(&error, MonitorCode::Protocol(protocol_code::MALFORMED_COMMAND_ERROR));
    }
}

#[test]
fn bad_properties_raise_no_event_under_null() {
    let cut = fails(&greeting_and(b"\x05READY\x0bSocket-Type\0\0\0\x05PUSH"));
    assert!(matches!(cut, HandshakeError::Metadata { .. }));
    expect(&cut, MonitorCode::None);
    let stray = fails(&greeting_and(b"\x05READY\x0bSocket-Type\0\0\0\x04PUSH\0"));
    expect(&stray, MonitorCode::None);
    let mismatch = fails(&modern_peer(3, 1, b"PULL"));
    assert!(matches!(mismatch, HandshakeError::SocketTypeMismatch { .. }));
    expect(&mismatch, MonitorCode::None);
}

#[test]
fn commands_over_the_limit_fail_on_their_header() {
    let max_command_bytes = DEFAULT_MAX_COMMAND_BYTES as u64;
    for body_bytes in [max_command_bytes + 1, 1 << 40, 1 << 63, u64::MAX] {
        let mut stream = modern_peer(3, 1, b"PUSH");
        stream.truncate(64);
        stream.push(6);
        stream.extend(body_bytes.to_be_bytes());
        let error = fails(&stream);
        assert_eq!(error, HandshakeError::CommandTooLarge { body_bytes, max_command_bytes });
        expect(&error, MonitorCode::None);
    }
    let mut config = HandshakeConfig::new(SocketType::Pull);
    config.max_command_bytes = 26;
    let stream = modern_peer(3, 1, b"PUSH");
    assert_eq!(converse(Handshake::new(config).unwrap(), &stream, &[1]).error, None);
}

#[test]
fn identities_over_the_limit_and_zero_lengths() {
    let too_long = fails(b"\xff\0\0\0\0\0\0\x01\x01\x00");
    let expected = HandshakeError::IdentityTooLong { identity_bytes: 256, max_identity_bytes: 255 };
    assert_eq!(too_long, expected);
    expect(&too_long, MonitorCode::None);
    let too_long = fails(&[SIG, b"\x01\x08\x02\0\0\0\0\0\0\x01\0"].concat());
    assert_eq!(too_long, expected);
    assert_eq!(fails(b"\x00"), HandshakeError::ZeroLengthFrame);
    assert_eq!(fails(b"\xff\0\0\0\0\0\0\0\0\x00"), HandshakeError::ZeroLengthFrame);
    assert_eq!(fails(&[SIG, b"\x00\x08\x00"].concat()), HandshakeError::ZeroLengthFrame);
}

#[test]
fn old_peers_are_refused_where_security_is_demanded() {
    let streams = [b"\x03".to_vec(), [SIG, b"\x00\x08"].concat(), [SIG, b"\x01\x08"].concat()];
    let versions = [Version::V1_0, Version::V1_0, Version::V2_0];
    for (stream, version) in streams.iter().zip(versions) {
        let error = fails_for(|| with_zap(SocketType::Pull), stream);
        assert_eq!(error, HandshakeError::OldPeerRefused { version });
        expect(&error, MonitorCode::None);
    }
}

#[test]
fn lost_connections_and_timeouts_are_tried_again() {
    for error in [HandshakeError::TimedOut { limit_ms: 30_000 }, HandshakeError::PeerClosed] {
        assert_eq!(error.monitor_code(), MonitorCode::NoDetail);
        assert!(!error.is_fatal_for_connecter());
    }
    let zap = HandshakeError::ZapReplyInvalid { code: protocol_code::ZAP_BAD_VERSION };
    expect(&zap, MonitorCode::Protocol(0x2000_0003));
}

#[test]
fn our_own_options_are_judged_before_anything_is_sent() {
    let mut config = HandshakeConfig::new(SocketType::Pull);
    config.metadata = vec![("X-big".to_owned(), vec![0; DEFAULT_MAX_COMMAND_BYTES])];
    let result = Handshake::new(config).map(|_| ());
    assert!(matches!(result, Err(ConfigError::PropertiesTooLarge { .. })));
    let result = Handshake::new(HandshakeConfig::new(SocketType::Stream)).map(|_| ());
    assert_eq!(result, Err(ConfigError::StreamSocket));
}

#[test]
fn null_is_announced_as_null() {
    let context = MechanismContext {
        socket_type: SocketType::Pull,
        properties: Vec::new(),
        zap_domain_set: false,
    };
    let mechanism = NullMechanism::new(context);
    assert_eq!((mechanism.name(), mechanism.as_server()), ("NULL", false));
}
