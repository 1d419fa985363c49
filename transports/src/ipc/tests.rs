//! Set-up of real sockets: endpoint texts, error numbers, files, filters.

use super::*;
use std::path::PathBuf;

use zeroring_base::rng::Rng;

fn options() -> SocketOptions {
    let mut options = crate::test_options();
    options.backlog_connections = 10;
    options
}

/// A directory for one test; its name is unique because the generator is seeded by the system.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("zr-{:x}", Rng::from_system().next_u64());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("created");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bind(address: &str, options: &SocketOptions) -> Result<Arc<dyn Listener>, Option<i32>> {
    IpcTransport.bind(address, options).map_err(|error| error.raw_os_error())
}

fn connect(address: &str) -> io::Result<Arc<dyn Stream>> {
    let mut attempt = IpcTransport.connect(address, &options())?;
    assert!(attempt.is_immediate(), "Unix sockets connect at once or not at all");
    attempt.finish()
}

#[test]
fn a_path_is_bound_and_stays_after_close() {
    let scratch = Scratch::new();
    let path = scratch.path("s");
    let listener = bind(&path, &options()).expect("bind");
    assert_eq!(listener.endpoint(), format!("ipc://{path}"));
    let client = connect(&path).expect("connect");
    let server = listener.accept().expect("accept");
    assert_eq!(client.info().remote_endpoint, format!("ipc://{path}"));
    assert_eq!(server.info().local_endpoint, format!("ipc://{path}"));
    drop(listener);
    assert!(PathBuf::from(&path).exists(), "libzmq leaves the file");
}

#[test]
fn a_second_bind_takes_the_name_over() {
    let scratch = Scratch::new();
    let path = scratch.path("s");
    let first = bind(&path, &options()).expect("bind");
    let second = bind(&path, &options()).expect("steals the name");
    let _client = connect(&path).expect("connect");
    assert!(second.accept().is_ok());
    assert_eq!(first.accept().err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
}

#[test]
fn a_file_that_is_no_socket_is_not_deleted() {
    let scratch = Scratch::new();
    let path = scratch.path("precious");
    std::fs::write(&path, "data").expect("written");
    assert_eq!(bind(&path, &options()).err().flatten(), Some(libc::EADDRINUSE));
    assert_eq!(std::fs::read(&path).expect("still there"), b"data");
}

#[test]
fn bind_errors_have_libzmqs_numbers() {
    let errno = |address: &str| bind(address, &options()).err().flatten();
    assert_eq!(errno(&"x".repeat(108)), Some(libc::ENAMETOOLONG));
    assert_eq!(errno("/no/such/dir/s"), Some(libc::ENOENT));
    assert_eq!(errno("@"), Some(libc::EINVAL));
}

#[test]
fn abstract_names_leave_no_file_and_cannot_be_taken_over() {
    let name = format!("@zr-test-{:x}", Rng::from_system().next_u64());
    let listener = bind(&name, &options()).expect("bind");
    assert_eq!(listener.endpoint(), format!("ipc://{name}"));
    assert_eq!(bind(&name, &options()).err().flatten(), Some(libc::EADDRINUSE));
    assert!(connect(&name).is_ok());
    assert!(!PathBuf::from(&name).exists());
}

#[test]
fn a_wildcard_gets_a_private_directory_that_goes_with_the_listener() {
    let listener = bind("*", &options()).expect("bind");
    let path = PathBuf::from(listener.endpoint().strip_prefix("ipc://").expect("ipc"));
    assert!(path.exists() && path.ends_with("socket"));
    assert!(connect(path.to_str().expect("text")).is_ok());
    drop(listener);
    assert!(!path.parent().expect("a directory").exists());
}

#[test]
fn nobody_there_is_an_error_to_be_retried() {
    let scratch = Scratch::new();
    let path = scratch.path("s");
    assert_eq!(connect(&path).err().and_then(|e| e.raw_os_error()), Some(libc::ENOENT));
    drop(bind(&path, &options()).expect("bind"));
    assert_eq!(connect(&path).err().and_then(|e| e.raw_os_error()), Some(libc::ECONNREFUSED));
    let too_long = IpcTransport.check_connect(&"x".repeat(108), &options()).expect_err("long");
    assert_eq!(too_long.raw_os_error(), Some(libc::ENAMETOOLONG));
}

fn accepts_us(options: &SocketOptions) -> bool {
    let listener = bind("*", options).expect("bind");
    let address = listener.endpoint().strip_prefix("ipc://").expect("ipc").to_owned();
    let _client = connect(&address).expect("connect");
    match listener.accept() {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            false
        }
    }
}

#[test]
fn a_peer_must_match_one_entry_of_any_filter() {
    let pid = std::process::id() as i32;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    assert!(accepts_us(&options()));
    assert!(accepts_us(&SocketOptions { ipc_filter_pids: [pid].into(), ..options() }));
    assert!(accepts_us(&SocketOptions { ipc_filter_uids: [uid].into(), ..options() }));
    assert!(accepts_us(&SocketOptions { ipc_filter_gids: [gid].into(), ..options() }));
    let stranger = SocketOptions { ipc_filter_uids: [uid + 1].into(), ..options() };
    assert!(!accepts_us(&stranger));
    assert!(accepts_us(&SocketOptions { ipc_filter_pids: [pid].into(), ..stranger }));
}

#[test]
fn credentials_are_the_peer_address() {
    let listener = bind("*", &options()).expect("bind");
    let address = listener.endpoint().strip_prefix("ipc://").expect("ipc").to_owned();
    let client = connect(&address).expect("connect");
    let server = listener.accept().expect("accept");
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let expected = format!("localhost:{uid}:{gid}:{}", std::process::id());
    assert_eq!(server.info().peer_address, expected);
    assert_eq!(client.info().peer_address, expected);
}

#[test]
fn an_adopted_descriptor_keeps_the_name_it_is_given() {
    use std::os::fd::IntoRawFd;
    let scratch = Scratch::new();
    let path = scratch.path("s");
    let theirs = std::os::unix::net::UnixListener::bind(&path).expect("bind");
    let adopting = SocketOptions { adopted_fd: Some(theirs.into_raw_fd()), ..options() };
    let listener = bind(&path, &adopting).expect("adopted");
    assert_eq!(listener.endpoint(), format!("ipc://{path}"));
    assert_eq!(listener.accept().err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
}
