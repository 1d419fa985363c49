//! Which driver an I/O thread runs on, and a way to wake it before it exists.
//!
//! An io_uring may have to be created by the thread that uses it, but others need its waker earlier. So a
//! [`DriverSeed`] is made first, on any thread, and turned into a driver by [`DriverSeed::start`] on the I/O thread.

use std::io;

use zeroring_base::wake::OsWake;
use zeroring_core::io::driver::Driver;
use zeroring_core::options::DriverChoice;

use crate::driver_epoll::EpollDriver;
use crate::driver_uring::{self, UringDriver};
use crate::waker::EventFd;

/// A driver, and a note for the user if it is not the one that was preferred.
pub type ChosenDriver = (Box<dyn Driver>, Option<String>);

/// A driver about to be started on its I/O thread.
#[derive(Debug)]
pub struct DriverSeed {
    choice: DriverChoice,
    waker: EventFd,
}

/// Prepares a driver.
///
/// # Errors
/// With [`DriverChoice::Uring`], why io_uring does not work here; otherwise only a lack of descriptors.
pub fn driver_seed(choice: DriverChoice) -> io::Result<DriverSeed> {
    if choice == DriverChoice::Uring {
        available().map_err(|why| io::Error::new(why.kind(), why))?;
    }
    Ok(DriverSeed { choice, waker: EventFd::new()? })
}

/// Prepares and starts a driver on the calling thread, which must then be the one to use it.
///
/// # Errors
/// As [`driver_seed`] and [`DriverSeed::start`].
pub fn new_driver(choice: DriverChoice) -> io::Result<ChosenDriver> {
    driver_seed(choice)?.start()
}

/// Whether io_uring works here as the driver needs it; if not, why, and what could be done about it.
///
/// # Errors
/// The reason.
pub fn available() -> Result<(), driver_uring::Unavailable> {
    driver_uring::available()
}

impl DriverSeed {
    /// A handle that ends a wait of the driver, also if used before the driver was started.
    pub fn os_wake(&self) -> Box<dyn OsWake> {
        Box::new(self.waker.clone())
    }

    /// Starts the driver. To be called on the thread that will use (and drop) it.
    ///
    /// # Errors
    /// The system's, if the chosen driver cannot be created; with [`DriverChoice::Auto`], if epoll cannot either.
    pub fn start(self) -> io::Result<ChosenDriver> {
        match self.choice {
            DriverChoice::Epoll => Ok((Box::new(EpollDriver::new(self.waker)?), None)),
            DriverChoice::Uring => Ok((Box::new(UringDriver::new(self.waker)?), None)),
            DriverChoice::Auto => self.start_best(),
        }
    }

    /// io_uring where it works, else epoll with a note.
    fn start_best(self) -> io::Result<ChosenDriver> {
        let started = match available() {
            Ok(()) => UringDriver::new(self.waker.clone()).map_err(|error| error.to_string()),
            Err(unavailable) => Err(unavailable.to_string()),
        };
        let why = match started {
            Ok(driver) => return Ok((Box::new(driver), None)),
            Err(why) => why,
        };
        let note = format!("using epoll, because io_uring is not available: {why}");
        tracing::warn!("{note}");
        Ok((Box::new(EpollDriver::new(self.waker)?), Some(note)))
    }
}
