//! The I/O threads of a context: starting, choosing, stopping.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use zeroring_base::mailbox::{Receiver, Sender, mailbox};
use zeroring_base::time::Clock;
use zeroring_base::wake::{OsWake, Waker};

use crate::error::SocketError;
use crate::io::command::IoCommand;
use crate::io::directory::{Chosen, Directory, Entry, Load};
use crate::io::driver::Driver;
use crate::io::event_loop::{EventLoop, EventLoopConfig};
use crate::options::{ContextOptions, DriverChoice, WaitPolicy};

/// How an I/O thread is to be set up by the [`Runtime`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadSetup {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// CPUs it may run on; empty = any.
    pub cpus: Vec<usize>,
    /// Scheduling policy number (`SCHED_FIFO` 1, `SCHED_RR` 2, …); `None` = as is.
    pub sched_policy: Option<u32>,
    /// Priority for that policy; `None` = as is.
    pub priority: Option<u32>,
}

/// A driver about to be: made by the context's user, started on the thread that will use it.
pub trait DriverSeed: Send {
    /// The way to end the future driver's wait.
    fn os_wake(&self) -> Box<dyn OsWake>;

    /// The driver, and a note for the user if it is not the one asked for.
    fn start(self: Box<Self>) -> io::Result<(Box<dyn Driver>, Option<String>)>;
}

/// What the context needs from outside: drivers, and threads set up.
pub trait Runtime: Send + Sync {
    /// A driver for one I/O thread.
    fn driver_seed(&self, choice: DriverChoice) -> io::Result<Box<dyn DriverSeed>>;

    /// Called on each new I/O thread. Returns what could not be set, in words.
    fn prepare_thread(&self, setup: &ThreadSetup) -> Vec<String>;
}

/// One I/O thread as others see it.
struct IoThread {
    mailbox: Sender<IoCommand>,
    runs: Runs,
}

enum Runs {
    OnThread(JoinHandle<()>),
    ByHand(Box<EventLoop>),
}

/// The I/O threads of one context.
#[derive(Default)]
pub(super) struct IoThreads {
    threads: Vec<IoThread>,
    directory: Arc<Directory>,
    notes: Vec<String>,
    driver_name: Option<&'static str>,
}

/// What a thread reports when its driver is up.
struct Started {
    driver: &'static str,
    notes: Vec<String>,
}

impl IoThreads {
    pub fn start(
        options: &ContextOptions,
        runtime: &Arc<dyn Runtime>,
        clock: &Clock,
        random: impl Fn() -> u64,
    ) -> Result<Self, SocketError> {
        let mut all = Self::default();
        match all.start_all(options, runtime, clock, random) {
            Ok(()) => Ok(all),
            Err(error) => {
                all.stop(); // those that run already
                Err(error)
            }
        }
    }

    fn start_all(
        &mut self,
        options: &ContextOptions,
        runtime: &Arc<dyn Runtime>,
        clock: &Clock,
        random: impl Fn() -> u64,
    ) -> Result<(), SocketError> {
        let mut entries = Vec::new();
        for index in 0..options.io_threads as usize {
            let seed = runtime.driver_seed(options.driver).map_err(SocketError::io)?;
            let ends = mailbox(Waker::new(seed.os_wake()));
            let (mailbox, load) = (ends.0.clone(), Load::default());
            entries.push(Entry { mailbox: mailbox.clone(), load: load.clone() });
            let spec = LoopSpec {
                seed,
                ends,
                clock: clock.clone(),
                random: random(),
                load,
                directory: self.directory.clone(),
                spins: options.wait_policy == WaitPolicy::Spin,
            };
            let (runs, started) = if clock.is_virtual() {
                let (event_loop, started) = spec.start(Vec::new()).map_err(SocketError::io)?;
                (Runs::ByHand(Box::new(event_loop)), started)
            } else {
                spawn(spec, runtime.clone(), thread_setup(options, index))?
            };
            self.driver_name = Some(started.driver);
            self.notes.extend(started.notes);
            self.threads.push(IoThread { mailbox, runs });
        }
        self.directory.fill(entries);
        self.notes.dedup();
        Ok(())
    }

    pub fn driver_name(&self) -> Option<&'static str> {
        self.driver_name
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The least loaded allowed thread.
    pub fn choose(&self, affinity: u64) -> Option<Chosen> {
        self.directory.choose(affinity)
    }

    /// What each thread has to do.
    pub fn loads(&self) -> Vec<usize> {
        self.directory.loads()
    }

    pub fn turn(&mut self) -> usize {
        let turn = |thread: &mut IoThread| match &mut thread.runs {
            Runs::ByHand(event_loop) => event_loop.turn(Some(Duration::ZERO)),
            Runs::OnThread(_) => 0,
        };
        self.threads.iter_mut().map(turn).sum()
    }

    pub fn next_deadline_ns(&self) -> Option<u64> {
        let deadline = |thread: &IoThread| match &thread.runs {
            Runs::ByHand(event_loop) => event_loop.next_deadline_ns(),
            Runs::OnThread(_) => None,
        };
        self.threads.iter().filter_map(deadline).min()
    }

    /// Stops every thread and waits for it.
    pub fn stop(mut self) {
        for thread in &self.threads {
            thread.mailbox.send(IoCommand::Stop);
        }
        for thread in self.threads.drain(..) {
            match thread.runs {
                // The last handle may be dropped by an I/O thread itself: it cannot wait for its own end.
                Runs::OnThread(handle) if handle.thread().id() == std::thread::current().id() => {}
                Runs::OnThread(handle) => drop(handle.join()),
                Runs::ByHand(mut event_loop) => {
                    event_loop.turn(Some(Duration::ZERO));
                }
            }
        }
    }
}

struct LoopSpec {
    seed: Box<dyn DriverSeed>,
    ends: (Sender<IoCommand>, Receiver<IoCommand>),
    clock: Clock,
    random: u64,
    load: Load,
    directory: Arc<Directory>,
    spins: bool,
}

impl LoopSpec {
    fn start(self, mut notes: Vec<String>) -> io::Result<(EventLoop, Started)> {
        let (driver, note) = self.seed.start()?;
        notes.extend(note);
        let started = Started { driver: driver.name(), notes };
        let event_loop = EventLoop::new(EventLoopConfig {
            driver,
            mailbox: self.ends,
            clock: self.clock,
            seed: self.random,
            load: self.load,
            directory: self.directory,
            spins: self.spins,
        });
        Ok((event_loop, started))
    }
}

fn spawn(
    spec: LoopSpec,
    runtime: Arc<dyn Runtime>,
    setup: ThreadSetup,
) -> Result<(Runs, Started), SocketError> {
    let (report, reported) = mpsc::channel();
    let handle = std::thread::Builder::new()
        .name(setup.name.clone())
        .spawn(move || {
            let notes = runtime.prepare_thread(&setup);
            match spec.start(notes) {
                Ok((mut event_loop, started)) => {
                    let _ = report.send(Ok(started));
                    event_loop.run();
                }
                Err(error) => drop(report.send(Err(error))),
            }
        })
        .map_err(SocketError::io)?;
    match reported.recv() {
        Ok(Ok(started)) => Ok((Runs::OnThread(handle), started)),
        Ok(Err(error)) => Err(SocketError::io(error)),
        Err(_) => Err(SocketError::io(io::Error::other("the I/O thread ended while it started"))),
    }
}

fn thread_setup(options: &ContextOptions, index: usize) -> ThreadSetup {
    let prefix = String::from_utf8_lossy(&options.thread_name_prefix);
    let mut name = match prefix.is_empty() {
        true => format!("ZRbg/IO/{index}"),
        false => format!("{prefix}/ZRbg/IO/{index}"),
    };
    while name.len() > 15 {
        name.pop();
    }
    let own_cpus = options.io_thread_cpus.get(index).filter(|cpus| !cpus.is_empty());
    let cpus = match own_cpus {
        Some(cpus) => cpus.clone(),
        None => options.thread_cpus.iter().map(|cpu| *cpu as usize).collect(),
    };
    ThreadSetup {
        name,
        cpus,
        sched_policy: options.thread_sched_policy,
        priority: options.thread_priority,
    }
}
