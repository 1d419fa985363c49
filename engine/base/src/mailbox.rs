//! Control commands for a thread or a socket. Data never passes here: it takes the pipes.
//!
//! The length is bounded by construction rather than by refusing: each pipe, link or socket has at most one command of
//! each kind outstanding (its flag is set while the command is queued), so the queue cannot outgrow what exists.
//!
//! A mailbox ends with its receiver: what is queued then is dropped with it, and later commands come back to their
//! sender. A command often holds what in turn holds a sender, so a queue that outlived its receiver would keep itself
//! alive for ever.

use std::collections::VecDeque;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, lock};
use crate::wake::Waker;

/// The sending side; clones reach the same mailbox.
pub struct Sender<T>(Arc<Shared<T>>);

/// The receiving side, held by the thread or socket the commands are for.
pub struct Receiver<T>(Arc<Shared<T>>);

struct Shared<T> {
    /// `None` once the receiver is gone.
    queue: Mutex<Option<VecDeque<T>>>,
    /// Set under the lock whenever the queue holds something; lets the receiver skip the lock when there is nothing.
    nonempty: AtomicBool,
    waker: Waker,
}

/// A mailbox whose receiver is woken through `waker`.
pub fn mailbox<T>(waker: Waker) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        queue: Mutex::new(Some(VecDeque::new())),
        nonempty: AtomicBool::new(false),
        waker,
    });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> std::fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mailbox::Sender")
    }
}

impl<T> std::fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mailbox::Receiver")
    }
}

impl<T> Sender<T> {
    /// Like [`try_send`](Self::try_send), for commands that nobody misses once the receiver is gone.
    pub fn send(&self, command: T) {
        drop(self.try_send(command));
    }

    /// Queues `command` and wakes the receiver if it sleeps. Never blocks on the receiver.
    ///
    /// # Errors
    /// The command itself if the receiver is gone.
    pub fn try_send(&self, command: T) -> Result<(), T> {
        {
            let mut queue = lock(&self.0.queue);
            let Some(queue) = queue.as_mut() else { return Err(command) };
            queue.push_back(command);
            // Release pairs with the Acquire in `drain_into`: who sees the flag finds the command.
            self.0.nonempty.store(true, Ordering::Release);
        }
        self.0.waker.notify();
        Ok(())
    }

    /// Wakes the receiver without a command (its descriptors or deadlines changed).
    pub fn poke(&self) {
        self.0.waker.notify();
    }
}

impl<T> Receiver<T> {
    /// Moves every queued command to the end of `out`; cheap when there is none.
    #[inline]
    pub fn drain_into(&mut self, out: &mut VecDeque<T>) {
        if !self.0.nonempty.load(Ordering::Acquire) {
            return;
        }
        let mut queue = lock(&self.0.queue);
        self.0.nonempty.store(false, Ordering::Relaxed); // under the lock, like the store in `send`
        if let Some(queue) = queue.as_mut() {
            out.append(queue);
        }
    }

    /// Ends the mailbox. What was queued is returned, and nothing more will be.
    pub fn close(&mut self) -> VecDeque<T> {
        let queued = lock(&self.0.queue).take().unwrap_or_default();
        self.0.nonempty.store(false, Ordering::Relaxed); // only this side reads it
        queued
    }

    /// True if nothing is queued (a hint).
    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.0.nonempty.load(Ordering::Acquire)
    }

    /// The waiter this mailbox wakes.
    pub fn waker(&self) -> &Waker {
        &self.0.waker
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        drop(self.close()); // not under the lock: dropping a command may send another
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wake::NoSleep;

    #[test]
    fn commands_arrive_in_order() {
        let (tx, mut rx) = mailbox(Waker::new(Box::new(NoSleep)));
        assert!(rx.is_empty());
        (0..5).for_each(|n| tx.send(n));
        let mut got = VecDeque::new();
        rx.drain_into(&mut got);
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert!(rx.is_empty());
    }

    #[test]
    fn nothing_outlives_the_receiver() {
        struct Command(#[expect(dead_code)] Option<Sender<Command>>, std::rc::Rc<()>);
        let alive = std::rc::Rc::new(());
        let (tx, rx) = mailbox(Waker::new(Box::new(NoSleep)));
        tx.send(Command(Some(tx.clone()), alive.clone()));
        drop(rx);
        assert_eq!(
            std::rc::Rc::strong_count(&alive),
            1,
            "a command in a circle with its own queue"
        );
        let late = tx.try_send(Command(None, alive.clone()));
        assert!(late.is_err_and(|Command(_, own)| std::rc::Rc::ptr_eq(&own, &alive)));
    }

    #[test]
    fn closing_hands_out_what_was_queued() {
        let (tx, mut rx) = mailbox(Waker::new(Box::new(NoSleep)));
        tx.send(1);
        assert_eq!(rx.close(), [1]);
        assert_eq!(tx.try_send(2), Err(2));
        assert!(rx.is_empty() && rx.close().is_empty());
    }
}
