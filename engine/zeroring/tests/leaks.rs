//! Nothing is left of what ended: no socket, no connection, no slab, no descriptor, no thread.
//!
//! The counts are those of a whole process, so every test here runs in a process of its own: it starts this program
//! again for itself alone (see `support`). What a test opened must be gone when it has ended; that is checked after each
//! of them.
//!
//! | file | what ends, and how |
//! | --- | --- |
//! | `contexts` | connections in every state, on every driver and transport |
//! | `hostile` | peers that want to fill our memory |
//! | `killed`, `parts` | peers in processes that are killed with SIGKILL |
//! | `orders` | both sockets of every pattern, in every order of close, unbind, disconnect, shutdown and drop |
//! | `reconnects` | a thousand connections, one after the other |
//! | `refused` | what the system refuses: names, space, descriptors |
//! | `stuck` | readers that do not read |
//! | `waiting` | a context in which threads wait |
//! | `wire` | peers made by hand |

#[macro_use]
#[path = "leaks/support.rs"]
mod support;

#[path = "leaks/contexts.rs"]
mod contexts;
#[path = "leaks/hostile.rs"]
mod hostile;
#[path = "leaks/killed.rs"]
mod killed;
#[path = "leaks/orders.rs"]
mod orders;
#[path = "leaks/parts.rs"]
mod parts;
#[path = "leaks/reconnects.rs"]
mod reconnects;
#[path = "leaks/refused.rs"]
mod refused;
#[path = "leaks/stuck.rs"]
mod stuck;
#[path = "leaks/waiting.rs"]
mod waiting;
#[path = "leaks/wire.rs"]
mod wire;
