//! Parts that other processes play, so that they can be killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rustix::process::{Signal, set_parent_process_death_signal};
use zeroring::kind::SocketType;
use zeroring::{AnySocket, Context};

use crate::support::DEADLINE;
use crate::wire::{MORE, Wire, frame, header};

/// What a process plays: a name and its arguments.
const PART: &str = "ZERORING_TEST_PART";
/// The last word of a line by which a process says that it did what it is for.
const DONE: &str = "done";

/// A process that plays a part.
pub struct Part {
    child: Child,
    done: mpsc::Receiver<()>,
}

impl Part {
    /// Starts one. It connects to or binds the endpoint that comes last.
    pub fn start(part: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--ignored", "--exact", "parts::a_part", "--nocapture", "--test-threads=1"])
            .env(PART, part.join(" "))
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (tell, done) = mpsc::channel();
        // Ends with the process.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.ends_with(DONE) {
                    let _ = tell.send(()); // perhaps nobody asks any more
                }
            }
        });
        Self { child, done }
    }

    /// Waits until it did what it is for.
    pub fn await_done(&self) {
        self.done.recv_timeout(DEADLINE).expect("it does what it is for");
    }

    /// True if it did what it is for since somebody asked.
    pub fn is_done(&self) -> bool {
        self.done.try_recv().is_ok()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

fn say_done() {
    println!("{DONE}");
}

/// Until it is killed.
fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "other tests start it in a process of its own"]
fn a_part() {
    // Nobody stays behind when a test fails.
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a plain setting");
    let part = std::env::var(PART).expect("what to play");
    match part.split(' ').collect::<Vec<_>>()[..] {
        ["unfinished", how, kind, endpoint] => unfinished(how, kind, endpoint),
        ["sender", endpoint] => sender(endpoint),
        ["reader", how, kind, endpoint] => reader(how, kind, endpoint),
        _ => panic!("nobody plays {part:?}"),
    }
}

/// How a message can be left unfinished.
pub const UNFINISHED: [&str; 4] = ["header", "body", "parts", "second-part"];

/// Sends a whole message and the beginning of another.
fn unfinished(how: &str, kind: &str, endpoint: &str) {
    let mut wire = Wire::greeted(endpoint, kind);
    let envelope = if kind == "REQ" { frame(MORE, b"") } else { Vec::new() };
    let beginning = match how {
        "header" => header(0, 1000)[..4].to_vec(),
        "body" => [header(0, 100_000), vec![b'h'; 50_000]].concat(),
        "parts" => frame(MORE, b"first part"),
        "second-part" => [frame(MORE, b"first part"), header(0, 1000), vec![b'h'; 500]].concat(),
        _ => panic!("no way {how:?}"),
    };
    let all = [&envelope[..], &frame(0, b"whole"), &envelope, &beginning].concat();
    wire.write_all(&all).expect("it is read");
    say_done();
    stay()
}

/// A PUSH that sends messages of three parts, numbered, until it is killed.
fn sender(endpoint: &str) {
    let context = Context::new();
    let push = context.socket::<zeroring::Push>().expect("a socket");
    push.connect(endpoint).expect("valid");
    for number in 0_u32.. {
        let long = vec![number as u8; 100_000];
        push.send_multipart([&number.to_be_bytes()[..], &long, b"end"]).expect("it is read");
    }
}

/// Receives one message and no more.
fn reader(how: &str, kind: &str, endpoint: &str) {
    let context = Context::new();
    let kind = SocketType::from_name(kind.as_bytes()).expect("a type");
    let socket: AnySocket = context.any_socket(kind).expect("a socket");
    if kind == SocketType::Sub {
        socket.subscribe("").expect("a SUB subscribes");
    }
    if kind == SocketType::Dealer {
        socket.set_routing_id("reader").expect("short");
    }
    match how {
        "binds" => drop(socket.bind(endpoint).expect("left by the one that was killed")),
        _ => socket.connect(endpoint).expect("valid"),
    }
    socket.recv_multipart().expect("a message");
    say_done();
    stay()
}
