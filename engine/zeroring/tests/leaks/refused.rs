//! What the system refuses: names that are taken, a full disk, descriptors that have run out. An error that names the
//! endpoint, never a panic; whatever works already goes on.

use std::fs::File;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zeroring::error::errno;
use zeroring::{Context, EndpointFault, EventKind, Pull, Push, What};

use crate::support::{Counts, Env, await_event, own_context, recv};
use crate::wire::Wire;

cases! {
    net { descriptors_run_out }
    ipc { a_hundred_names_are_taken, a_full_disk }
}

/// Live sockets and stale ones make way, as for libzmq; files of somebody else do not.
fn a_hundred_names_are_taken(env: &Env) {
    let name = |kind: &str, number: u32| env.dir().join(format!("{kind}{number}"));
    let endpoint = |path: &Path| format!("ipc://{}", path.display());
    let live: Vec<_> =
        (0..33).map(|n| UnixListener::bind(name("live", n)).expect("free")).collect();
    (0..33).for_each(|n| drop(UnixListener::bind(name("stale", n)).expect("free")));
    (0..34).for_each(|n| std::fs::write(name("file", n), "precious").expect("writable"));
    let pull = env.socket::<Pull>();
    for number in 0..33 {
        for kind in ["live", "stale"] {
            pull.bind(&endpoint(&name(kind, number))).expect("it makes way");
        }
    }
    let before = Counts::now();
    for round in 0..1000 {
        let path = name("file", round % 34);
        let refused = pull.bind(&endpoint(&path)).expect_err("a file stands there");
        assert_eq!(refused.errno(), errno::EADDRINUSE);
        let text = refused.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    before.assert_back("after a thousand refusals");
    for number in 0..34 {
        assert_eq!(std::fs::read(name("file", number)).expect("still there"), b"precious");
    }
    for kind in ["live", "stale"] {
        let push = env.socket::<Push>();
        push.connect(&endpoint(&name(kind, 0))).expect("valid");
        push.send(kind).expect("a queue");
        assert_eq!(recv(&pull), kind);
    }
    drop(live);
}

/// A file system of a test's own with room for one file.
struct TinyDisk<'a>(&'a Path);

impl<'a> TinyDisk<'a> {
    /// Takes a privilege that the test may not have.
    fn mount(at: &'a Path) -> Result<Self, String> {
        std::fs::create_dir(at).expect("a fresh name");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "none"])
            .arg(at)
            .output()
            .map_err(|error| error.to_string())?;
        match mount.status.success() {
            true => Ok(Self(at)),
            false => Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned()),
        }
    }
}

impl Drop for TinyDisk<'_> {
    fn drop(&mut self) {
        // Lazily: the kernel may hold what was closed there for a moment longer.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            println!("note: {} stays mounted", self.0.display());
        }
    }
}

fn a_full_disk(env: &Env) {
    let dir = env.dir().join("disk");
    let _disk = match TinyDisk::mount(&dir) {
        Ok(disk) => disk,
        Err(why) => {
            return println!("skipped: a full disk, since this user may not mount one: {why}");
        }
    };
    std::fs::write(dir.join("last"), "").expect("room for one");
    let pull = env.socket::<Pull>();
    let endpoint = format!("ipc://{}/full", dir.display());
    let before = Counts::now();
    for _ in 0..100 {
        let refused = pull.bind(&endpoint).expect_err("the disk is full");
        const ENOSPC: i32 = 28;
        assert_eq!(refused.errno(), ENOSPC, "{refused}");
        assert!(refused.to_string().contains(&endpoint), "{refused}");
    }
    before.assert_back("after a hundred refusals");
    std::fs::remove_file(dir.join("last")).expect("it is there");
    pull.bind(&endpoint).expect("there is room again");
    pull.unbind(&endpoint).expect("bound");
    drop(pull);
}

/// Enough for a context and some connections.
const DESCRIPTORS_MAX: u64 = 60;

/// Takes every descriptor that is left.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn descriptors_run_out(env: &Env) {
    // Before anything listens: io_uring holds a running accept to the limit that was in force when it began.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS_MAX), maximum: limit.maximum })
        .expect("lowering is allowed");
    let (pull, push) = env.connected::<Pull, Push>();
    let endpoint = pull.last_endpoint();
    let early = env.socket::<Push>();
    let mut events = pull.monitor();
    let mut taken = take_all();
    taken.pop(); // for the client's end of a connection; the server's would be the one too many
    let client = Wire::open(&endpoint);
    let failed = await_event(&mut events, EventKind::AcceptFailed);
    assert_eq!(failed.what, What::AcceptFailed { errno: errno::EMFILE });
    for number in 0..1000_u32 {
        push.send(number.to_be_bytes().to_vec()).expect("this one was there before");
        assert_eq!(recv(&pull), &number.to_be_bytes()[..]);
    }
    assert_refused_without_panic(env, &early, &endpoint);
    taken.clear();
    await_event(&mut events, EventKind::Accepted);
    setrlimit(Resource::Nofile, limit).expect("back to where it was");
    drop(client);
    early.send("as soon as there are descriptors again").expect("a queue");
    assert_eq!(recv(&pull), "as soon as there are descriptors again");
}

/// No descriptor is left for a socket, a context or a connection.
fn assert_refused_without_panic(env: &Env, early: &zeroring::Socket<Push>, endpoint: &str) {
    let mut events = early.monitor();
    early.connect(endpoint).expect("that it cannot work now is found out later");
    await_event(&mut events, EventKind::ConnectRetried);
    let refused = early.bind(&env.endpoint()).expect_err("no descriptor");
    assert!(matches!(refused, EndpointFault::Io { .. }), "{refused}");
    assert_eq!(refused.errno(), errno::EMFILE, "{refused}");
    let refused = env.context.socket::<Pull>().expect_err("no descriptor");
    assert_eq!(refused.errno(), errno::EMFILE, "{refused}");
    let other: Context = own_context(env);
    let refused = other.socket::<Pull>().expect_err("no descriptor");
    assert_eq!(refused.errno(), errno::EMFILE, "{refused}");
}
