use proptest::prelude::*;

use super::*;

fn list(properties: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in properties {
        append_property(name, value, &mut out);
    }
    out
}

fn read(bytes: &[u8], ours: SocketType) -> Result<PeerProperties, HandshakeError> {
    read_peer_properties(bytes, ours, MonitorCode::None)
}

#[test]
fn our_list_is_in_the_order_of_libzmq() {
    let application = [("X-b".to_owned(), b"2".to_vec()), ("X-a".to_owned(), b"1".to_vec())];
    let ours = encode_own_properties(SocketType::Router, b"me", &application).unwrap();
    let expected: [(&[u8], &[u8]); 4] =
        [(b"Socket-Type", b"ROUTER"), (b"Identity", b"me"), (b"X-a", b"1"), (b"X-b", b"2")];
    assert_eq!(ours, list(&expected));
    let ours = encode_own_properties(SocketType::Pub, b"me", &[]).unwrap();
    assert_eq!(ours, list(&[(b"Socket-Type", b"PUB")]), "PUB keeps its id to itself");
}

#[test]
fn options_that_cannot_be_sent_are_refused() {
    let encode = |id: &[u8], name: &str| {
        encode_own_properties(SocketType::Dealer, id, &[(name.to_owned(), Vec::new())])
    };
    assert!(encode(&[1; 255], "X-ok").is_ok());
    assert!(matches!(encode(&[1; 256], "X-ok"), Err(ConfigError::RoutingIdTooLong { .. })));
    assert!(encode(b"\0a", "X-ok").is_ok(), "reserved, but libzmq lets it pass");
    for name in ["", "app", "X-a b", "X-é", "Identity"] {
        assert!(matches!(encode(b"", name), Err(ConfigError::PropertyName { .. })), "{name}");
    }
    let stream = encode_own_properties(SocketType::Stream, b"", &[]);
    assert_eq!(stream, Err(ConfigError::StreamSocket));
}

#[test]
fn peers_are_read_as_libzmq_reads_them() {
    let peer = read(b"", SocketType::Pull).unwrap();
    assert_eq!(peer, PeerProperties::default(), "no Socket-Type is no fault");
    let bytes = list(&[(b"socket-type", b"PULL"), (b"", b"nameless")]);
    let peer = read(&bytes, SocketType::Pull).unwrap();
    assert_eq!(peer.socket_type, None, "names are case-sensitive");
    assert_eq!(peer.properties, [("socket-type".to_owned(), b"PULL".to_vec())]);
    let bytes = list(&[(b"Identity", b"first"), (b"Identity", b"\0last")]);
    let peer = read(&bytes, SocketType::Router).unwrap();
    assert_eq!(peer.routing_id, b"\0last");
    assert_eq!(peer.properties, [("Identity".to_owned(), b"first".to_vec())]);
}

#[test]
fn wrong_socket_types_are_refused() {
    for value in [&b"PULL"[..], b"push", b"", b"SERVER", b"PUSH\0"] {
        let error = read(&list(&[(b"Socket-Type", value)]), SocketType::Pull).unwrap_err();
        assert!(matches!(error, HandshakeError::SocketTypeMismatch { .. }), "{value:?}");
        assert_eq!(error.monitor_code(), MonitorCode::None);
        assert!(error.is_fatal_for_connecter());
    }
    assert!(read(&list(&[(b"Socket-Type", b"PUSH")]), SocketType::Pull).is_ok());
}

#[test]
fn cut_off_lists_are_refused_at_every_byte() {
    let whole = list(&[(b"Socket-Type", b"PUSH"), (b"X-a", b"value")]);
    let boundary = list(&[(b"Socket-Type", b"PUSH")]).len();
    for cut in 1..whole.len() {
        let result = read(&whole[..cut], SocketType::Pull);
        assert_eq!(result.is_ok(), cut == boundary, "{cut}");
    }
    let stray = [whole.as_slice(), &[0]].concat();
    assert!(read(&stray, SocketType::Pull).is_err());
}

#[test]
fn bounds_on_count_and_identity_hold() {
    let many = list(&[(b"X-a", b"")]).repeat(MAX_PROPERTIES);
    assert!(read(&many, SocketType::Pull).is_ok());
    let more = [many, list(&[(b"X-a", b"")])].concat();
    assert!(matches!(
        read(&more, SocketType::Pull),
        Err(HandshakeError::Metadata { source: MetadataError::TooMany { .. }, .. })
    ));
    assert!(read(&list(&[(b"Identity", &[7; 255])]), SocketType::Router).is_ok());
    assert!(read(&list(&[(b"Identity", &[7; 256])]), SocketType::Router).is_err());
}

proptest! {
    #[test]
    fn any_list_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = read(&bytes, SocketType::Pull);
    }

    #[test]
    fn lists_round_trip(
        properties in proptest::collection::vec(
            ("[a-z]{1,9}", proptest::collection::vec(any::<u8>(), 0..300)), 0..10)
    ) {
        let mut bytes = Vec::new();
        for (name, value) in &properties {
            append_property(name.as_bytes(), value, &mut bytes);
        }
        let read: Vec<_> = Properties::new(&bytes)
            .map(|property| property.unwrap())
            .map(|p| (String::from_utf8_lossy(p.name).into_owned(), p.value.to_vec()))
            .collect();
        prop_assert_eq!(read, properties);
    }
}
