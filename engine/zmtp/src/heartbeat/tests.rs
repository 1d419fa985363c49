use super::*;

const MS: u64 = NS_PER_MS;
/// A clock does not start at zero.
const START_NS: u64 = 1_000_000_007;

fn at(ms: u64) -> u64 {
    START_NS + ms * MS
}

fn heartbeat(interval_ms: u64, timeout_ms: Option<u64>, ttl_ms: u64) -> Heartbeat {
    Heartbeat::new(HeartbeatConfig { interval_ms, timeout_ms, ttl_ms }, START_NS)
}

/// Follows the deadlines with a mute peer; returns when PINGs went out and when and why it ended.
fn run_mute(heartbeat: &mut Heartbeat) -> (Vec<u64>, Option<(u64, Expiry)>) {
    let mut pings_ms = Vec::new();
    while let Some(now_ns) = heartbeat.deadline_ns() {
        let now_ms = (now_ns - START_NS) / MS;
        match heartbeat.poll(now_ns) {
            HeartbeatAction::SendPing { .. } => pings_ms.push(now_ms),
            HeartbeatAction::Expired(expiry) => return (pings_ms, Some((now_ms, expiry))),
            HeartbeatAction::None => panic!("nothing to do at its own deadline"),
        }
        if pings_ms.len() > 20 {
            break;
        }
    }
    (pings_ms, None)
}

#[test]
fn the_timeout_counts_from_the_first_unanswered_ping() {
    let (pings_ms, end) = run_mute(&mut heartbeat(100, Some(300), 0));
    assert_eq!(pings_ms, [100, 200, 300]);
    assert_eq!(end, Some((400, Expiry::Timeout)));
}

#[test]
fn the_timeout_is_the_interval_by_default() {
    let (pings_ms, end) = run_mute(&mut heartbeat(150, None, 0));
    assert_eq!(pings_ms, [150]);
    assert_eq!(end, Some((300, Expiry::Timeout)));
}

#[test]
fn a_timeout_of_zero_never_gives_up_and_an_interval_of_zero_never_pings() {
    let (pings_ms, end) = run_mute(&mut heartbeat(100, Some(0), 0));
    assert_eq!((pings_ms.len(), end), (21, None));
    let mut off = heartbeat(0, Some(300), 2000);
    assert_eq!(off.deadline_ns(), None);
    assert_eq!(off.poll(at(1_000_000)), HeartbeatAction::None);
}

#[test]
fn any_frame_stops_the_timeout_but_not_the_pings() {
    let mut heartbeat = heartbeat(100, Some(150), 0);
    assert_eq!(heartbeat.poll(at(99)), HeartbeatAction::None);
    assert_eq!(heartbeat.poll(at(100)), HeartbeatAction::SendPing { ttl_ds: 0 });
    assert_eq!(heartbeat.poll(at(100)), HeartbeatAction::None);
    heartbeat.on_traffic(at(120));
    assert_eq!(heartbeat.deadline_ns(), Some(at(200)));
    assert_eq!(heartbeat.poll(at(200)), HeartbeatAction::SendPing { ttl_ds: 0 });
    assert_eq!(heartbeat.deadline_ns(), Some(at(300)));
    assert_eq!(heartbeat.poll(at(300)), HeartbeatAction::SendPing { ttl_ds: 0 });
    assert_eq!(heartbeat.deadline_ns(), Some(at(350)));
    assert_eq!(heartbeat.poll(at(350)), HeartbeatAction::Expired(Expiry::Timeout));
}

#[test]
fn a_late_poll_sends_one_ping_and_starts_over() {
    let mut heartbeat = heartbeat(100, Some(0), 0);
    assert_eq!(heartbeat.poll(at(950)), HeartbeatAction::SendPing { ttl_ds: 0 });
    assert_eq!(heartbeat.poll(at(950)), HeartbeatAction::None);
    assert_eq!(heartbeat.deadline_ns(), Some(at(1050)));
}

#[test]
fn our_ttl_is_truncated_and_clamped() {
    for (ttl_ms, expected) in
        [(0, 0), (99, 0), (100, 1), (2000, 20), (65_599, 655), (6_553_599, 655)]
    {
        let action = heartbeat(100, None, ttl_ms).poll(at(100));
        assert_eq!(action, HeartbeatAction::SendPing { ttl_ds: expected }, "{ttl_ms}");
    }
}

#[test]
fn the_ttl_of_a_peer_is_honoured_in_full_and_stopped_by_any_frame() {
    let mut heartbeat = heartbeat(0, None, 0);
    heartbeat.on_ping(660, at(10));
    assert_eq!(heartbeat.deadline_ns(), Some(at(66_010)));
    heartbeat.on_ping(u16::MAX, at(20));
    assert_eq!(heartbeat.deadline_ns(), Some(at(6_553_520)));
    assert_eq!(heartbeat.poll(at(6_553_519)), HeartbeatAction::None);
    assert_eq!(heartbeat.poll(at(6_553_520)), HeartbeatAction::Expired(Expiry::PeerTtl));
    heartbeat.on_traffic(at(30));
    assert_eq!(heartbeat.deadline_ns(), None);
    heartbeat.on_ping(5, at(40));
    heartbeat.on_ping(0, at(50));
    assert_eq!(heartbeat.deadline_ns(), None, "a PING without TTL stops the timer");
}

#[test]
fn extreme_settings_do_not_overflow() {
    let mut heartbeat = heartbeat(u64::MAX, Some(u64::MAX), u64::MAX);
    heartbeat.on_ping(u16::MAX, u64::MAX);
    let _ = heartbeat.poll(u64::MAX);
}
