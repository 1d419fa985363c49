//! One suite for every driver: what `zeroring_core::io::driver` promises, on each kind of stream it can carry.
//!
//! The cases live in `conformance/`; this file only says on what they run.

mod conformance;

use conformance::World;

macro_rules! suite {
    ($name:ident, $world:expr, [$($case:ident),* $(,)?]) => {
        mod $name {
            use super::*;
            $(
                #[test]
                fn $case() {
                    let Some(mut world) = $world else { return };
                    conformance::cases::$case(&mut world);
                }
            )*
        }
    };
}

macro_rules! suites {
    ($($name:ident: $world:expr;)*) => {
        $(suite!($name, $world, [
            bytes_arrive_complete_and_in_order,
            ten_mebibytes_arrive_unharmed,
            a_pause_is_answered_once_and_holds,
            pausing_amid_traffic_loses_nothing,
            pausing_twice_is_answered_twice,
            writable_comes_once_per_wish,
            a_full_stream_is_writable_only_after_it_drains,
            nothing_comes_after_deregistration,
            unknown_tokens_are_harmless,
            a_token_cannot_be_used_twice_at_once,
            a_wake_before_the_wait_counts,
            an_idle_wait_ends_on_time,
            a_closed_peer_is_seen_after_its_last_bytes,
            a_peer_closed_while_paused_is_seen_after_resuming,
            connections_are_accepted_and_carry_bytes,
            a_paused_listener_is_silent_until_resumed,
            a_refused_connection_is_an_error,
            two_hundred_connections_are_kept_apart,
        ]);)*
    };
}

suites! {
    epoll_tcp: World::epoll_tcp();
    epoll_ipc: World::epoll_ipc();
    uring_tcp: World::uring_tcp();
    uring_ipc: World::uring_ipc();
    sim: World::sim();
    sim_receiving: World::sim_receiving();
}

#[test]
fn a_wake_ends_a_wait_that_began_before() {
    for mut world in [World::epoll_tcp(), World::uring_tcp()].into_iter().flatten() {
        conformance::cases::a_wake_ends_a_wait_that_began_before(&mut world);
    }
}
