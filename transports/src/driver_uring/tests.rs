//! What only this driver can get wrong: ownership of what the kernel uses. The rest is in the conformance suite.

use super::*;
use std::io::{IoSlice, Write};
use std::os::unix::net::UnixStream;

use zeroring_base::Bytes;
use zeroring_core::io::transport::StreamInfo;

use crate::stream::FdStream;

fn driver() -> Option<UringDriver> {
    available().ok()?;
    Some(UringDriver::new(EventFd::new().expect("eventfd")).expect("driver"))
}

fn pair() -> (Arc<dyn Stream>, UnixStream) {
    let (near, far) = UnixStream::pair().expect("socket pair");
    (Arc::new(FdStream::new(near.into(), StreamInfo::default())), far)
}

/// Waits for the next bytes of token 1.
fn receive(driver: &mut UringDriver) -> Bytes {
    let mut events = Vec::new();
    for _ in 0..3 {
        driver.wait(Some(Duration::from_secs(5)), &mut events).expect("wait");
        match events.drain(..).next() {
            Some(Event::Received(Token(1), bytes)) => return bytes,
            other => assert!(other.is_none(), "{other:?}"),
        }
    }
    panic!("nothing came");
}

/// More than there are buffers in the ring.
const MANY: usize = 1000;

#[test]
fn a_buffer_that_nobody_kept_is_used_again() {
    let Some(mut driver) = driver() else { return };
    let (near, mut far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    let mut addresses = std::collections::BTreeSet::new();
    for _ in 0..MANY {
        far.write_all(b"let go").expect("sent");
        addresses.insert(receive(&mut driver).as_ptr() as usize);
    }
    assert!(addresses.len() <= MANY / 4, "{} buffers", addresses.len());
}

#[test]
fn bytes_that_somebody_kept_stay_as_they_are() {
    let Some(mut driver) = driver() else { return };
    let (near, mut far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    let kept = (0..MANY as u32).map(|number| {
        far.write_all(&number.to_le_bytes()).expect("sent");
        receive(&mut driver)
    });
    for (number, bytes) in kept.collect::<Vec<_>>().iter().enumerate() {
        assert_eq!(**bytes, (number as u32).to_le_bytes());
    }
}

#[test]
fn bytes_outlive_the_driver() {
    let Some(mut driver) = driver() else { return };
    let (near, mut far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    far.write_all(&[9; 20_000]).expect("sent");
    let bytes = receive(&mut driver);
    drop(driver);
    assert!(bytes.iter().all(|byte| *byte == 9));
}

#[test]
fn a_deregistered_stream_is_closed_once_the_kernel_let_go() {
    let Some(mut driver) = driver() else { return };
    let (near, far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    let mut events = Vec::new();
    driver.wait(Some(Duration::ZERO), &mut events).expect("wait");
    driver.deregister(Token(1));
    assert!(Arc::strong_count(&near) > 1, "the running receive holds it");
    driver.want_write(Token(1));
    driver.waker.clone().wake();
    driver.wait(Some(Duration::from_secs(10)), &mut events).expect("wait");
    while Arc::strong_count(&near) > 1 {
        driver.wait(Some(Duration::from_millis(1)), &mut events).expect("wait");
    }
    assert!(events.is_empty(), "{events:?}");
    drop((near, far));
}

#[test]
fn dropping_the_driver_ends_what_runs() {
    let Some(mut driver) = driver() else { return };
    let (near, far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    driver.want_write(Token(1));
    driver.wait(Some(Duration::ZERO), &mut Vec::new()).expect("wait");
    drop(driver);
    assert_eq!(Arc::strong_count(&near), 1);
    drop(far);
}

#[test]
fn more_bytes_than_buffers_in_one_cycle_are_no_failure() {
    let Some(mut driver) = driver() else { return };
    let mut far_ends = Vec::new();
    // Each stream holds more than a buffer, and together they need several times the buffers there are.
    for number in 0..100 {
        let (near, far) = pair();
        driver.add_stream(Token(number), &near, true).expect("add");
        far.set_nonblocking(true).expect("set");
        let far: Arc<dyn Stream> = Arc::new(FdStream::new(far.into(), StreamInfo::default()));
        let sent = far.try_send(&[IoSlice::new(&vec![number as u8; 100_000])]).expect("sent");
        far_ends.push((far, sent, 0));
    }
    let mut events = Vec::new();
    while far_ends.iter().any(|(_, sent, received)| received < sent) {
        driver.wait(Some(Duration::from_secs(10)), &mut events).expect("wait");
        assert!(!events.is_empty(), "stuck");
        for event in events.drain(..) {
            let Event::Received(Token(number), bytes) = event else { panic!("{event:?}") };
            assert!(bytes.iter().all(|byte| *byte == number as u8), "bytes of another stream");
            far_ends[number as usize].2 += bytes.len();
        }
    }
}

#[test]
fn bytes_for_nobody_do_not_eat_up_the_buffers() {
    let Some(mut driver) = driver() else { return };
    let (near, mut far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    let mut events = Vec::new();
    driver.wait(Some(Duration::ZERO), &mut events).expect("wait");
    // The moment between a deregistration and the end of the receive, held on to.
    driver.entries.clear();
    for _ in 0..100 {
        far.write_all(b"late").expect("sent");
        driver.waker.wake();
        driver.wait(Some(Duration::from_secs(10)), &mut events).expect("wait");
    }
    assert!(events.is_empty(), "{events:?}");
    let (near, mut far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    far.write_all(b"x").expect("sent");
    assert_eq!(&receive(&mut driver)[..], b"x");
}

/// While bytes keep coming, a receive is often between two runs, where a cancellation does not find it.
#[test]
fn a_pause_is_answered_in_the_middle_of_a_flood() {
    let Some(mut driver) = driver() else { return };
    let (near, far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    let flood = std::thread::spawn(move || {
        let mut far = far;
        while far.write_all(&[7; 200_000]).is_ok() {}
    });
    let mut events = Vec::new();
    for _ in 0..2000 {
        driver.set_read(Token(1), true);
        while !matches!(events.last(), Some(Event::Received(..))) {
            events.clear();
            driver.wait(Some(Duration::from_secs(10)), &mut events).expect("wait");
            assert!(!events.is_empty(), "the flood stopped");
        }
        driver.set_read(Token(1), false);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !matches!(events.last(), Some(Event::Paused(_))) {
            assert!(Instant::now() < deadline, "the pause is never answered");
            events.clear();
            driver.wait(Some(Duration::from_millis(10)), &mut events).expect("wait");
        }
        events.clear();
        driver.wait(Some(Duration::ZERO), &mut events).expect("wait");
        assert!(events.is_empty(), "{} events while paused", events.len());
    }
    drop((driver, near));
    flood.join().expect("no panic");
}

#[test]
fn simulated_objects_are_refused() {
    struct NoFd;
    impl Connecting for NoFd {
        fn finish(&mut self) -> io::Result<Arc<dyn Stream>> {
            Err(Errno::INVAL.into())
        }
        fn is_immediate(&self) -> bool {
            false
        }
        fn handle(&self) -> Handle<'_> {
            Handle::Sim(1)
        }
    }
    let Some(mut driver) = driver() else { return };
    assert!(driver.add_connecting(Token(1), &NoFd).is_err());
}

#[test]
fn dropping_on_another_thread_leaks_instead_of_crashing() {
    let Some(mut driver) = driver() else { return };
    let (near, mut far) = pair();
    driver.add_stream(Token(1), &near, true).expect("add");
    driver.wait(Some(Duration::ZERO), &mut Vec::new()).expect("wait");
    std::thread::spawn(move || drop(driver)).join().expect("no panic");
    // Either the peer sees our end go, or the write lands nowhere: in no case in freed memory.
    let _ = far.write_all(&[1; 1000]);
}
