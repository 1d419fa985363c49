//! tcp, ipc and the drivers of Zeroring: everything that touches the kernel's sockets.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`tcp`], [`ipc`] | thin: addresses and socket set-up of the two schemes |
//! | [`stream`] | their common body: one connected descriptor, one connection attempt |
//! | [`driver`] | which driver to use: [`driver::driver_seed`] before the I/O thread, `start` on it |
//! | [`driver_epoll`] | readiness by epoll; works wherever Linux does |
//! | [`driver_uring`] | completions by io_uring, received bytes handed over without a copy |
//! | [`driver_sim`] | a simulated network with faults, for deterministic tests |
//! | [`waker`] | the eventfd that ends a driver's wait |
//! | [`sys`] | threads, interfaces and users: what std and rustix do not offer |
//!
//! A transport never names a driver, nor the other way round: they meet at the traits of `zeroring_core::io`.
//! `unsafe` lives only in [`sys`] and [`driver_uring`].

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod driver;
pub mod driver_epoll;
pub mod driver_sim;
#[allow(unsafe_code)]
pub mod driver_uring;
pub mod ipc;
pub mod stream;
#[allow(unsafe_code)]
pub mod sys;
pub mod tcp;
mod token_map;
pub mod waker;

pub use driver::{DriverSeed, available, driver_seed, new_driver};
pub use ipc::IpcTransport;
pub use tcp::TcpTransport;
pub use zeroring_core::options::DriverChoice;

/// Options as a new socket has them, for unit tests.
#[cfg(test)]
fn test_options() -> zeroring_core::options::SocketOptions {
    zeroring_core::options::SocketOptions::default()
}
