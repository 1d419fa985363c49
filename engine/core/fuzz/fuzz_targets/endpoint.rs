//! Parsing any text never panics, and what was parsed prints as text that parses to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zeroring_core::endpoint::{Endpoint, IpcAddress, TcpBindAddress, TcpConnectAddress};

fuzz_target!(|text: &str| {
    if let Ok(endpoint) = Endpoint::parse(text) {
        assert_eq!(endpoint.to_string(), text);
        assert_eq!(format!("{}://{}", endpoint.scheme(), endpoint.address()), text);
    }
    if let Ok(address) = TcpBindAddress::parse(text) {
        assert_eq!(TcpBindAddress::parse(&address.to_string()), Ok(address));
    }
    if let Ok(address) = TcpConnectAddress::parse(text) {
        assert_eq!(TcpConnectAddress::parse(&address.to_string()), Ok(address));
    }
    if let Ok(address) = IpcAddress::parse_bind(text) {
        assert_eq!(IpcAddress::parse_bind(&address.to_string()), Ok(address));
    }
    if let Ok(address) = IpcAddress::parse_connect(text) {
        assert_eq!(IpcAddress::parse_connect(&address.to_string()), Ok(address));
    }
});
