//! Options of a socket as methods: a `set_…` and a getter each, with units in their types.
//!
//! | file | what |
//! | --- | --- |
//! | [`queues`] | high-water marks, timeouts, linger |
//! | [`connections`] | reconnecting, handshake, heartbeats |
//! | [`kernel`] | tcp and ipc sockets of the operating system |
//! | [`patterns`] | what only some socket types have |
//! | [`bounds`] | Zeroring's own: wait policy, limits against greedy peers |
//! | [`socks`] | connecting through a proxy |
//! | [`raw`] | any option by libzmq's number |
//!
//! "Live" options reach existing connections. All others reach the next bind or connect; accepted and repeated
//! connections use what was set when bind or connect ran. Durations are kept in whole milliseconds: shorter ones are
//! rounded up, longer ones than 24 days are cut to that.

pub mod bounds;
pub mod connections;
pub mod kernel;
pub mod patterns;
pub mod queues;
pub mod raw;
pub mod socks;

use std::time::Duration;

/// Declares a setter and a getter per option. The value of the example is what the documentation shows and its test
/// sets and reads back.
macro_rules! options {
    (
        $(#[$impl_doc:meta])*
        impl $capability:ident, example $example_kind:literal {
            $(
                $(#[$doc:meta])*
                $get:ident, $set:ident($arg:ident: $type:ty) = $example:literal,
                    |$from:ident| $read:expr, |$to:ident| $write:expr;
            )*
        }
    ) => {
        $(#[$impl_doc])*
        impl<K: $crate::kind::$capability> $crate::Socket<K> {
            $(
                $(#[$doc])*
                ///
                #[doc = concat!(
                    "```\n# use std::time::Duration;\n# let context = zeroring::Context::new();\n",
                    "let socket = context.socket::<zeroring::", $example_kind, ">()?;\n",
                    "socket.", stringify!($set), "(", $example, ");\n",
                    "assert_eq!(socket.", stringify!($get), "(), ", $example, ");\n",
                    "# Ok::<(), zeroring::SocketError>(())\n```"
                )]
                pub fn $set(&self, $arg: $type) {
                    self.core().update_options(|$to| $write);
                }

                #[doc = concat!("What [`", stringify!($set), "`](Self::", stringify!($set), ") set, or the default.")]
                ///
                #[doc = concat!(
                    "```\n# let context = zeroring::Context::new();\n",
                    "let socket = context.socket::<zeroring::", $example_kind, ">()?;\n",
                    "println!(\"{:?}\", socket.", stringify!($get), "());\n",
                    "# Ok::<(), zeroring::SocketError>(())\n```"
                )]
                pub fn $get(&self) -> $type {
                    let core = self.core();
                    let $from = core.options();
                    $read
                }
            )*
        }
    };
}
use options;

/// Whole milliseconds, rounded up, at most `i32::MAX` (24 days).
fn millis(duration: Duration) -> i32 {
    let rounded = duration.as_nanos().div_ceil(1_000_000);
    i32::try_from(rounded).unwrap_or(i32::MAX)
}

/// [`millis`] for options that count without sign.
fn millis_u32(duration: Duration) -> u32 {
    millis(duration).unsigned_abs()
}

/// −1 is for ever.
fn millis_or_forever(duration: Option<Duration>) -> i32 {
    duration.map_or(-1, millis)
}

/// Negative is for ever.
fn forever_below_zero(millis: i32) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// 0 is "off".
fn off_at_zero(millis: u32) -> Option<Duration> {
    (millis != 0).then(|| Duration::from_millis(millis.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_become_whole_milliseconds_and_never_shorter() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_micros(1500)), 2);
        assert_eq!(millis(Duration::MAX), i32::MAX);
    }

    #[test]
    fn for_ever_and_off_survive_the_round_trip() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(forever_below_zero(millis_or_forever(None)), None);
        assert_eq!(forever_below_zero(millis_or_forever(second)), second);
        assert_eq!(
            forever_below_zero(millis_or_forever(Some(Duration::ZERO))),
            Some(Duration::ZERO)
        );
        assert_eq!(off_at_zero(0), None);
        assert_eq!(off_at_zero(1000), second);
    }
}
