//! A socket in an event loop that is not ours: here plain `poll`, in real life epoll, libuv, mio.
//!
//!     event_loop_fd
//!
//! The descriptor is level-triggered: readable for as long as the socket has something to say. So the loop may look at
//! it as at any other descriptor, and needs none of the re-checking that libzmq's ZMQ_FD asks for.

use rustix::event::{PollFd, PollFlags, poll};
use zeroring::{Context, Pull, Push, RecvError};

const MESSAGES: usize = 5;

fn main() -> anyhow::Result<()> {
    let context = Context::new();
    let pull = context.socket::<Pull>()?;
    let endpoint = pull.bind("tcp://127.0.0.1:*")?;

    let push = context.socket::<Push>()?;
    push.connect(&endpoint)?;
    let sender = std::thread::spawn(move || {
        (0..MESSAGES).try_for_each(|number| push.send(format!("message {number}")))
    });

    let fd = pull.event_fd()?;
    let mut received = 0;
    while received < MESSAGES {
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], None)?;
        match pull.try_recv() {
            Ok(message) => {
                println!("{message:?}");
                received += 1;
            }
            // Something else happened, such as a peer that came.
            Err(RecvError::WouldBlock) => {}
            Err(error) => return Err(error.into()),
        }
    }
    sender.join().expect("no panic")?;
    Ok(())
}
