//! Set-up of real sockets: endpoint texts, error numbers, options that reach the kernel.

use super::*;
use socket2::SockRef;
use std::os::fd::BorrowedFd;

fn options() -> SocketOptions {
    let mut options = crate::test_options();
    options.backlog_connections = 10;
    options
}

fn with_ipv6() -> SocketOptions {
    SocketOptions { ipv6: true, ..options() }
}

fn bind(address: &str, options: &SocketOptions) -> Result<Arc<dyn Listener>, Option<i32>> {
    TcpTransport.bind(address, options).map_err(|error| error.raw_os_error())
}

fn bind_errno(address: &str, options: &SocketOptions) -> Option<i32> {
    bind(address, options).err().flatten()
}

fn endpoint(address: &str, options: &SocketOptions) -> (String, u16) {
    let listener = bind(address, options).expect("bind");
    let (host, port) = listener.endpoint().rsplit_once(':').expect("a port");
    (host.to_owned(), port.parse().expect("a number"))
}

/// Blocks until a descriptor is ready, for tests without a driver.
fn await_ready(handle: Handle<'_>, flags: rustix::event::PollFlags) {
    let Handle::Fd(fd) = handle else { panic!("not a kernel object") };
    let mut fds = [rustix::event::PollFd::new(&fd, flags)];
    assert_eq!(rustix::event::poll(&mut fds, None).expect("poll"), 1);
}

fn connect(address: &str, options: &SocketOptions) -> io::Result<Arc<dyn Stream>> {
    let mut attempt = TcpTransport.connect(address, options)?;
    if !attempt.is_immediate() {
        await_ready(attempt.handle(), rustix::event::PollFlags::OUT);
    }
    attempt.finish()
}

fn address_of(listener: &Arc<dyn Listener>) -> String {
    listener.endpoint().strip_prefix("tcp://").expect("tcp").to_owned()
}

fn pair(options: &SocketOptions) -> (Arc<dyn Stream>, Arc<dyn Stream>) {
    let listener = bind("127.0.0.1:*", options).expect("bind");
    let client = connect(&address_of(&listener), options).expect("connect");
    await_ready(listener.handle(), rustix::event::PollFlags::IN);
    (client, listener.accept().expect("accept"))
}

fn fd_of(stream: &Arc<dyn Stream>) -> BorrowedFd<'_> {
    match stream.handle() {
        Handle::Fd(fd) => fd,
        Handle::Sim(_) => panic!("not a kernel object"),
    }
}

fn has_ipv6() -> bool {
    let works = std::net::TcpListener::bind("[::1]:0").is_ok();
    if !works {
        eprintln!("this machine has no IPv6; its tests are skipped");
    }
    works
}

#[test]
fn last_endpoint_is_the_numeric_address() {
    assert_eq!(endpoint("*:*", &options()).0, "tcp://0.0.0.0");
    assert_eq!(endpoint("127.0.0.1:0", &options()).0, "tcp://127.0.0.1");
    assert_eq!(endpoint("lo:*", &options()).0, "tcp://127.0.0.1");
    assert_eq!(endpoint("localhost:*", &options()).0, "tcp://127.0.0.1");
    assert_ne!(endpoint("127.0.0.1:*", &options()).1, 0);
}

#[test]
fn last_endpoint_with_ipv6() {
    if has_ipv6() {
        assert_eq!(endpoint("*:*", &with_ipv6()).0, "tcp://[::]");
        assert_eq!(endpoint("[::1]:*", &with_ipv6()).0, "tcp://[::1]");
        assert_eq!(endpoint("127.0.0.1:*", &with_ipv6()).0, "tcp://[::ffff:127.0.0.1]");
    }
}

#[test]
fn bind_errors_have_libzmqs_numbers() {
    let taken = bind("127.0.0.1:*", &options()).expect("bind");
    assert_eq!(bind_errno(&address_of(&taken), &options()), Some(libc::EADDRINUSE));
    assert_eq!(bind_errno("192.0.2.1:0", &options()), Some(libc::EADDRNOTAVAIL));
    assert_eq!(bind_errno("no-such-if:0", &options()), Some(libc::ENODEV));
    assert_eq!(bind_errno("[::1]:0", &options()), Some(libc::ENODEV));
    assert_eq!(bind_errno("127.0.0.1", &options()), Some(libc::EINVAL));
    assert_eq!(bind_errno("[::1%]:0", &with_ipv6()), Some(libc::EINVAL));
    let device = SocketOptions { bind_to_device: b"no-such-device".to_vec(), ..options() };
    assert_eq!(bind_errno("127.0.0.1:0", &device), Some(libc::ENODEV));
}

#[test]
fn both_ends_know_each_other() {
    let (client, server) = pair(&options());
    assert_eq!(client.info().local_endpoint, server.info().remote_endpoint);
    assert_eq!(client.info().remote_endpoint, server.info().local_endpoint);
    assert_eq!(server.info().peer_address, "127.0.0.1");
}

#[test]
fn a_dual_stack_listener_takes_ipv4() {
    if !has_ipv6() {
        return;
    }
    let listener = bind("*:*", &with_ipv6()).expect("bind");
    let (_, port) = listener.endpoint().rsplit_once(':').expect("port");
    let _client = connect(&format!("127.0.0.1:{port}"), &options()).expect("connect");
    await_ready(listener.handle(), rustix::event::PollFlags::IN);
    let server = listener.accept().expect("accept");
    assert_eq!(server.info().peer_address, "::ffff:127.0.0.1");
}

#[test]
fn options_reach_the_kernel_on_both_ends() {
    let tuned = SocketOptions {
        send_buffer_bytes: Some(20_000),
        recv_buffer_bytes: Some(30_000),
        type_of_service: 0x28,
        packet_priority: 3,
        tcp_keepalive: Some(true),
        tcp_keepalive_probes: Some(5),
        tcp_keepalive_idle_s: Some(11),
        tcp_keepalive_interval_s: Some(7),
        tcp_max_retransmit_ms: 4321,
        ..options()
    };
    let (client, server) = pair(&tuned);
    for stream in [&client, &server] {
        let fd = fd_of(stream);
        let socket = SockRef::from(&fd);
        assert!(socket.tcp_nodelay().expect("readable"));
        assert!(socket.keepalive().expect("readable"));
        assert_eq!(socket.tcp_keepalive_retries().expect("readable"), 5);
        assert_eq!(socket.tcp_keepalive_time().expect("readable").as_secs(), 11);
        assert_eq!(socket.tcp_keepalive_interval().expect("readable").as_secs(), 7);
        assert_eq!(socket.tcp_user_timeout().expect("readable").map(|t| t.as_millis()), Some(4321));
        assert_eq!(socket.tos_v4().expect("readable"), 0x28);
        assert_eq!(socket.priority().expect("readable"), 3);
        // Linux doubles what it is told, for its own bookkeeping.
        assert_eq!(socket.send_buffer_size().expect("readable"), 40_000);
        assert_eq!(socket.recv_buffer_size().expect("readable"), 60_000);
    }
}

#[test]
fn descriptors_do_not_leak_into_children() {
    let (client, server) = pair(&options());
    for stream in [&client, &server] {
        let flags = rustix::io::fcntl_getfd(fd_of(stream)).expect("open");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}

#[test]
fn a_source_address_is_used() {
    let listener = bind("127.0.0.1:*", &options()).expect("bind");
    let address = format!("127.0.0.2:0;{}", address_of(&listener));
    let client = connect(&address, &options()).expect("connect");
    assert!(client.info().local_endpoint.starts_with("tcp://127.0.0.2:"));
    let bad = format!("192.0.2.1:0;{}", address_of(&listener));
    let error = TcpTransport.connect(&bad, &options()).err().expect("not ours");
    assert_eq!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL));
}

#[test]
fn a_filtered_peer_is_turned_away() {
    let filter = zeroring_core::options::AddressFilter::parse(b"10.0.0.1", false).expect("valid");
    let filtered = SocketOptions { tcp_accept_filters: vec![filter], ..options() };
    let listener = bind("127.0.0.1:*", &filtered).expect("bind");
    let client = connect(&address_of(&listener), &options()).expect("the kernel accepts");
    await_ready(listener.handle(), rustix::event::PollFlags::IN);
    let error = listener.accept().err().expect("refused");
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    await_ready(client.handle(), rustix::event::PollFlags::IN);
    assert_eq!(client.try_recv(&mut [0; 1]).expect("closed"), 0);
}

#[test]
fn an_adopted_descriptor_is_used_whatever_the_address_says() {
    use std::os::fd::IntoRawFd;
    let theirs = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = theirs.local_addr().expect("bound").port();
    let adopting = SocketOptions { adopted_fd: Some(theirs.into_raw_fd()), ..options() };
    let listener = bind("ignored:1", &adopting).expect("adopted");
    assert_eq!(listener.endpoint(), format!("tcp://127.0.0.1:{port}"));
    assert_eq!(listener.accept().err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
    let nothing = SocketOptions { adopted_fd: Some(1_000_000), ..options() };
    assert_eq!(bind_errno("127.0.0.1:0", &nothing), Some(libc::EBADF));
}

#[test]
fn only_names_need_a_resolver() {
    for (address, resolve) in [
        ("127.0.0.1:1", false),
        ("[::1]:1", false),
        ("localhost:1", true),
        ("127.0.0.1:0;example.org:1", true),
    ] {
        assert_eq!(TcpTransport.must_resolve(address, &options()), resolve, "{address}");
    }
}

#[test]
fn aliases_are_what_unbind_may_be_told() {
    let aliases = |address: &str| TcpTransport.aliases(address, &options());
    assert_eq!(aliases("localhost:5"), ["tcp://127.0.0.1:5"]);
    assert!(aliases("*:5").is_empty());
    assert!(aliases("lo:5").is_empty());
    assert!(aliases("junk").is_empty());
}

#[test]
fn connecting_to_oneself_is_refused() {
    // Binding the source to the target's port makes the simultaneous open certain instead of a matter of luck.
    let free = endpoint("127.0.0.1:*", &options()).1;
    let address = format!("127.0.0.1:{free};127.0.0.1:{free}");
    let error = connect(&address, &options()).err().expect("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}
