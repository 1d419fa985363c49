//! Nothing is left of what ended: no socket, no connection, no slab, no descriptor, no thread.
//!
//! The counts are those of a whole process, so every test here runs in a process of its own: it starts this program
//! again for itself alone (see `support`). What a test opened must be gone when it has ended; that is checked after each
//! of them.
//!
//! | file | what ends, and how |
//! | --- | --- |
//! | `contexts` | connections in every state, on every driver and transport |
//! | `orders` | both sockets of every pattern, in every order of close, unbind, disconnect, shutdown and drop |
//! | `waiting` | a context in which threads wait |

#[macro_use]
#[path = "leaks/support.rs"]
mod support;

#[path = "leaks/contexts.rs"]
mod contexts;
#[path = "leaks/orders.rs"]
mod orders;
#[path = "leaks/waiting.rs"]
mod waiting;
