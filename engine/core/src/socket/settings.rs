//! Options of a live socket: by field, and by libzmq's number.

use std::os::fd::AsRawFd;

use zeroring_zmtp::SocketType;

use super::{PipePeer, SocketCommand, SocketCore};
use crate::error::OptionFault;
use crate::options::{ExpectedLength, OptionError, OptionValue, SocketOptions, number};
use crate::pattern::Pattern;

/// Longest routing id; a peer cannot announce a longer one either (RFC 37).
const ROUTING_ID_BYTES_MAX: usize = 255;

impl SocketCore {
    /// The options as they are now.
    pub fn options(&self) -> &SocketOptions {
        &self.options
    }

    /// Changes options. Live ones (libzmq-surface §5.8) reach existing connections at once, the others the next bind or
    /// connect.
    pub fn update_options(&mut self, change: impl FnOnce(&mut SocketOptions)) {
        self.process_commands(); // pipes that peers made meanwhile are changed too
        let before = (self.options.send_hwm_messages, self.options.recv_hwm_messages);
        change(&mut self.options);
        let after = (self.options.send_hwm_messages, self.options.recv_hwm_messages);
        if before != after {
            self.high_water_marks_changed(after);
        }
    }

    fn high_water_marks_changed(&mut self, (send, recv): (u32, u32)) {
        for (slot, pipe) in self.pipes.iter_mut() {
            pipe.set_high_water_marks(send, recv);
            match &pipe.peer {
                PipePeer::Link(link) => link.ask_resume(),
                PipePeer::Inproc(peer, id) => {
                    peer.send(SocketCommand::HighWaterMarks(*id, send, recv));
                }
                PipePeer::NotBound => {}
            }
            self.pattern.writable(slot);
        }
    }

    /// Sets an option by libzmq's number; `None` is a null pointer of length 0.
    ///
    /// # Errors
    /// [`OptionFault::Option`] with EINVAL; [`OptionFault::Terminated`] once the context is terminating.
    pub fn set_option(&mut self, option: i32, value: Option<&[u8]>) -> Result<(), OptionFault> {
        if self.is_stopped {
            return Err(OptionFault::Terminated);
        }
        let bytes = value.unwrap_or(&[]);
        match option {
            number::SUBSCRIBE if self.takes_topics() => self.subscribe(bytes),
            number::UNSUBSCRIBE if self.takes_topics() => self.unsubscribe(bytes),
            number::CONNECT_ROUTING_ID if self.names_connections() => {
                if !(1..=ROUTING_ID_BYTES_MAX).contains(&bytes.len()) {
                    let expected = ExpectedLength::Between(1, ROUTING_ID_BYTES_MAX);
                    let (name, seen) = ("CONNECT_ROUTING_ID", bytes.len());
                    return Err(OptionError::WrongLength { name, seen, expected }.into());
                }
                self.connect_routing_id = Some(bytes.to_vec());
            }
            _ => {
                let mut changed = self.options.clone();
                changed.set_nullable(self.kind(), option, value)?;
                self.update_options(|options| *options = changed);
            }
        }
        Ok(())
    }

    /// Reads an option by libzmq's number for a buffer of `buffer_bytes`.
    ///
    /// # Errors
    /// As for [`set_option`](Self::set_option).
    pub fn get_option(
        &mut self,
        option: i32,
        buffer_bytes: usize,
    ) -> Result<OptionValue, OptionFault> {
        if option == number::EVENTS {
            self.process_commands();
        }
        if self.is_stopped {
            return Err(OptionFault::Terminated);
        }
        let value = match option {
            number::TYPE => OptionValue::Int(i32::from(self.kind().number())),
            number::RCVMORE => OptionValue::Int(i32::from(self.recv_more())),
            number::THREAD_SAFE => OptionValue::Int(0),
            number::FD => OptionValue::Int(self.event_fd_number(buffer_bytes)?),
            number::LAST_ENDPOINT => OptionValue::Text(self.last_endpoint().as_bytes().to_vec()),
            number::EVENTS => {
                if self.context.is_forked() {
                    return Err(OptionFault::Forked);
                }
                self.make_progress();
                let readiness = self.readiness_now();
                self.settle_level_fd();
                OptionValue::Int(i32::from(readiness.readable) | i32::from(readiness.writable) << 1)
            }
            number::TOPICS_COUNT => match self.pattern.topics_count() {
                Some(count) => OptionValue::Int(i32::try_from(count).unwrap_or(i32::MAX)),
                None => {
                    return Err(self
                        .options
                        .get(self.kind(), option, buffer_bytes)
                        .map_or_else(OptionFault::from, |_| {
                            OptionFault::Option(OptionError::UnknownOption { number: option })
                        }));
                }
            },
            _ => return Ok(self.options.get(self.kind(), option, buffer_bytes)?),
        };
        Ok(value)
    }

    /// FD: the number of [`level_fd`](Self::level_fd)'s descriptor.
    fn event_fd_number(&mut self, buffer_bytes: usize) -> Result<i32, OptionFault> {
        const NAME: &str = "FD";
        let needed = size_of::<i32>();
        if buffer_bytes < needed {
            let expected = ExpectedLength::AtLeast(needed);
            return Err(
                OptionError::WrongLength { name: NAME, seen: buffer_bytes, expected }.into()
            );
        }
        if self.context.is_forked() {
            return Err(OptionFault::Forked);
        }
        let fd = self.level_fd().map_err(|_| {
            let advice = "a simulated socket has no descriptor";
            OptionError::Malformed { name: NAME, advice }
        })?;
        Ok(fd.as_raw_fd())
    }

    /// SUB: adds a subscription. XPUB, PUB in manual mode: lets the peer of the last request have this topic.
    pub fn subscribe(&mut self, topic: &[u8]) {
        self.process_commands();
        self.with_pattern(|pattern, scope| match pattern {
            Pattern::Subscriber(subscriber) => subscriber.subscribe(scope, topic),
            Pattern::FanOut(fan_out) => fan_out.set_manual(true, topic),
            _ => {}
        });
    }

    /// SUB: takes one subscription back. XPUB, PUB in manual mode: takes the topic from the peer of the last request.
    pub fn unsubscribe(&mut self, topic: &[u8]) {
        self.process_commands();
        self.with_pattern(|pattern, scope| match pattern {
            Pattern::Subscriber(subscriber) => subscriber.unsubscribe(scope, topic),
            Pattern::FanOut(fan_out) => fan_out.set_manual(false, topic),
            _ => {}
        });
    }

    /// The next connection's peer is addressed by `id` (ROUTER, REP, STREAM).
    pub fn set_connect_routing_id(&mut self, id: &[u8]) {
        self.connect_routing_id = (!id.is_empty()).then(|| id.to_vec());
    }

    /// Messages that were accepted and not sent, because their peer had no room (PUB, XPUB: counted for each subscriber)
    /// or was not there (ROUTER).
    pub fn dropped_messages(&self) -> u64 {
        self.pattern.dropped_messages()
    }

    /// Distinct topics stored; `None` for types without subscriptions.
    pub fn topics_count(&mut self) -> Option<usize> {
        self.process_commands();
        self.pattern.topics_count()
    }

    fn takes_topics(&self) -> bool {
        match self.kind() {
            SocketType::Sub => true,
            SocketType::Pub | SocketType::XPub => self.options.xpub_manual,
            _ => false,
        }
    }

    fn names_connections(&self) -> bool {
        matches!(self.kind(), SocketType::Router | SocketType::Rep | SocketType::Stream)
    }
}
