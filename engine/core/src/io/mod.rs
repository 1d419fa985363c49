//! Where the engine meets the kernel: the traits of [`driver`] and [`transport`], the [`link`] that joins a pipe to a
//! connection, and the [`event_loop`] that runs on an I/O thread.

pub mod command;
pub mod directory;
pub mod driver;
pub mod event_loop;
pub mod link;
pub mod transport;
