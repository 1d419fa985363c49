//! Endpoints: which texts are valid, what they become, and how they are given back.

use zeroring::{
    Context, Dealer, EndpointFault, EventKind, Pub, Pull, Push, Req, Sub, error::errno,
};

use crate::support::{Env, assert_quiet, await_event, recv, until};

cases! {
    all {
        the_last_endpoint_is_remembered, an_endpoint_can_be_bound_again, unbound_endpoints_are_unknown,
        bad_endpoints_are_refused, one_disconnect_ends_all, unread_messages_go_with_disconnect,
        some_types_connect_once
    }
    net { unbinding_closes_what_was_accepted, received_messages_survive_unbind }
    tcp {
        a_port_can_be_bound_once, names_and_wildcards_become_addresses, unbind_knows_other_spellings,
        a_source_address_can_be_chosen, ipv6_carries_ipv4
    }
    ipc { a_path_can_be_taken_over, a_file_is_not_taken_over, private_paths_disappear, abstract_names }
    inproc {
        a_name_can_be_bound_once, unbinding_leaves_pipes, io_needs_a_thread, names_belong_to_a_context
    }
}

fn the_last_endpoint_is_remembered(env: &Env) {
    let pull = env.socket::<Pull>();
    assert_eq!(pull.last_endpoint(), "");
    let bound = pull.bind(&env.endpoint()).expect("free");
    assert!(!bound.contains('*'));
    assert_eq!(pull.last_endpoint(), bound);
    let other = env.free_endpoint();
    pull.connect(&other).expect("valid");
    assert_eq!(pull.last_endpoint(), other);
    pull.bind("tcp://nonsense").expect_err("no port");
    pull.disconnect(&other).expect("connected");
    assert_eq!(pull.last_endpoint(), other, "only success changes it");
}

fn an_endpoint_can_be_bound_again(env: &Env) {
    let (first, endpoint) = env.bound::<Pull>();
    first.unbind(&endpoint).expect("bound");
    for _ in 0..50 {
        // At once, also while the I/O thread has not let go of the listener before.
        let pull = env.socket::<Pull>();
        pull.bind(&endpoint).expect("the endpoint is free");
        let push = env.socket::<Push>();
        push.connect(&endpoint).expect("valid");
        push.send("hello").expect("a queue");
        assert_eq!(recv(&pull), "hello");
    }
}

fn unbound_endpoints_are_unknown(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let unknown = |result: Result<(), EndpointFault>| {
        let error = result.expect_err("unknown");
        assert!(matches!(error, EndpointFault::Unknown { .. }), "{error}");
        assert_eq!(error.errno(), errno::ENOENT);
    };
    unknown(pull.unbind(&env.free_endpoint()));
    unknown(pull.disconnect(&env.free_endpoint()));
    pull.unbind(&endpoint).expect("bound");
    unknown(pull.unbind(&endpoint));
}

fn bad_endpoints_are_refused(env: &Env) {
    let socket = env.socket::<Dealer>();
    for (endpoint, number) in [
        ("", errno::EINVAL),
        ("tcp", errno::EINVAL),
        ("://x", errno::EINVAL),
        ("tcp://", errno::EINVAL),
        ("tcp://127.0.0.1", errno::EINVAL),
        ("tcp://127.0.0.1:99999", errno::EINVAL),
        ("tcp://127.0.0.1:abc", errno::EINVAL),
        ("inproc://", errno::EINVAL),
        ("smoke://signal", errno::EPROTONOSUPPORT),
        ("ipc://@", errno::EINVAL),
    ] {
        let bound = socket.bind(endpoint).expect_err(endpoint).errno();
        let connected = socket.connect(endpoint).expect_err(endpoint).errno();
        assert_eq!((bound, connected), (number, number), "{endpoint:?}");
    }
    socket.connect("tcp://127.0.0.1:*").expect_err("no port to connect to");
    socket.connect("tcp://*:5555").expect_err("no host to connect to");
    let long = format!("ipc:///tmp/{}", "x".repeat(108));
    const ENAMETOOLONG: i32 = 36;
    assert_eq!(socket.bind(&long).expect_err("too long").errno(), ENAMETOOLONG);
}

fn one_disconnect_ends_all(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.connect(&endpoint).expect("a second connection");
    push.disconnect(&endpoint).expect("connected");
    assert!(push.try_send("no peer").is_err());
    push.disconnect(&endpoint).expect_err("both are gone");
    assert_quiet(&pull);
}

fn unread_messages_go_with_disconnect(env: &Env) {
    let (push, endpoint) = env.bound::<Push>();
    let pull = env.socket::<Pull>();
    env.join(&push, &pull, &endpoint);
    push.send("unread").expect("room");
    until("it is there", || pull.readiness().expect("alive").readable);
    pull.disconnect(&endpoint).expect("connected");
    assert_quiet(&pull);
}

fn some_types_connect_once(env: &Env) {
    if env.is_inproc() {
        return; // each inproc connect is a connection
    }
    let (pull, endpoint) = env.bound::<Pull>();
    let mut events = pull.monitor();
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.connect(&endpoint).expect("a second connection");
    await_event(&mut events, EventKind::HandshakeSucceeded);
    await_event(&mut events, EventKind::HandshakeSucceeded);

    let (publisher, endpoint) = env.bound::<Pub>();
    let mut events = publisher.monitor();
    let sub = env.socket::<Sub>();
    sub.connect(&endpoint).expect("valid");
    sub.connect(&endpoint).expect("ignored");
    await_event(&mut events, EventKind::HandshakeSucceeded);
    assert!(events.next_timeout(crate::support::QUIET).is_none(), "there is one connection");
    let req = env.socket::<Req>();
    req.connect(&endpoint).expect("valid");
    req.connect(&endpoint).expect("ignored");
    req.disconnect(&endpoint).expect("connected");
}

fn unbinding_closes_what_was_accepted(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    env.join(&pull, &push, &endpoint);
    let mut events = push.monitor();
    pull.unbind(&endpoint).expect("bound");
    await_event(&mut events, EventKind::Disconnected);
    await_event(&mut events, EventKind::ConnectRetried);
}

fn received_messages_survive_unbind(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    env.join(&pull, &push, &endpoint);
    push.send("received").expect("room");
    until("it is there", || pull.readiness().expect("alive").readable);
    pull.unbind(&endpoint).expect("bound");
    assert_eq!(recv(&pull), "received");
}

fn a_port_can_be_bound_once(env: &Env) {
    let (_pull, endpoint) = env.bound::<Pull>();
    let refused = env.socket::<Pull>().bind(&endpoint).expect_err("taken");
    assert_eq!(refused.errno(), errno::EADDRINUSE, "{refused}");
    let text = refused.to_string();
    assert!(
        text.starts_with(&endpoint) && text.contains("choose another address or port"),
        "{text}"
    );
}

fn names_and_wildcards_become_addresses(env: &Env) {
    let pull = env.socket::<Pull>();
    assert!(pull.bind("tcp://*:*").expect("free").starts_with("tcp://0.0.0.0:"));
    assert!(pull.bind("tcp://lo:*").expect("free").starts_with("tcp://127.0.0.1:"));
    assert!(pull.bind("tcp://localhost:0").expect("free").starts_with("tcp://127.0.0.1:"));
    const ENODEV: i32 = 19;
    let refused = pull.bind("tcp://no-such-host.invalid:*").expect_err("unknown");
    assert_eq!(refused.errno(), ENODEV, "{refused}");
    const EADDRNOTAVAIL: i32 = 99;
    let refused = pull.bind("tcp://192.0.2.1:*").expect_err("not ours");
    assert_eq!(refused.errno(), EADDRNOTAVAIL, "{refused}");
}

fn unbind_knows_other_spellings(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    pull.unbind(&endpoint.replace("127.0.0.1", "localhost")).expect("the same address");
    let wildcard = pull.bind("tcp://*:*").expect("free");
    let refused = pull.unbind(&wildcard.replace("0.0.0.0", "*")).expect_err("names no address");
    assert_eq!(refused.errno(), errno::ENOENT);
    pull.unbind(&wildcard).expect("bound");
}

fn a_source_address_can_be_chosen(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let mut events = pull.monitor();
    let push = env.socket::<Push>();
    let address = endpoint.trim_start_matches("tcp://");
    push.connect(&format!("tcp://127.0.0.2:0;{address}")).expect("valid");
    push.send("from elsewhere").expect("a queue");
    assert_eq!(recv(&pull), "from elsewhere");
    let accepted = await_event(&mut events, EventKind::Accepted);
    assert!(accepted.remote_endpoint.starts_with("tcp://127.0.0.2:"), "{accepted:?}");
}

fn ipv6_carries_ipv4(env: &Env) {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let pull = env.socket::<Pull>();
    pull.set_ipv6(true);
    let endpoint = pull.bind("tcp://*:*").expect("free");
    let port = endpoint.strip_prefix("tcp://[::]:").expect("all interfaces");
    let (four, six) = (env.socket::<Push>(), env.socket::<Push>());
    six.set_ipv6(true);
    four.connect(&format!("tcp://127.0.0.1:{port}")).expect("valid");
    six.connect(&format!("tcp://[::1]:{port}")).expect("valid");
    four.send("4").expect("a queue");
    six.send("6").expect("a queue");
    let mut both = [recv(&pull).to_vec(), recv(&pull).to_vec()];
    both.sort();
    assert_eq!(both, [b"4", b"6"]);
}

fn a_path_can_be_taken_over(env: &Env) {
    let (_old, endpoint) = env.bound::<Pull>();
    let new = env.socket::<Pull>();
    assert_eq!(new.bind(&endpoint).expect("taken over, as in libzmq"), endpoint);
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.send("to the new one").expect("a queue");
    assert_eq!(recv(&new), "to the new one");
}

fn a_file_is_not_taken_over(env: &Env) {
    let path = env.dir().join("precious");
    std::fs::write(&path, "data").expect("writable");
    let refused = env.socket::<Pull>().bind(&format!("ipc://{}", path.display()));
    assert_eq!(refused.expect_err("not a socket").errno(), errno::EADDRINUSE);
    assert_eq!(std::fs::read(&path).expect("still there"), b"data");
    let missing = format!("ipc://{}/no/such/dir", env.dir().display());
    assert_eq!(env.socket::<Pull>().bind(&missing).expect_err("missing").errno(), errno::ENOENT);
}

fn private_paths_disappear(env: &Env) {
    let pull = env.socket::<Pull>();
    let endpoint = pull.bind("ipc://*").expect("a private directory");
    let path = std::path::PathBuf::from(endpoint.trim_start_matches("ipc://"));
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.send("hello").expect("a queue");
    assert_eq!(recv(&pull), "hello");
    assert!(path.exists());
    drop(pull);
    until("the directory is gone", || !path.exists() && !path.parent().is_some_and(|p| p.exists()));
}

fn abstract_names(env: &Env) {
    let endpoint = format!("ipc://@zeroring-{}-{:?}", std::process::id(), env.driver);
    let pull = env.socket::<Pull>();
    assert_eq!(pull.bind(&endpoint).expect("free"), endpoint);
    let refused = env.socket::<Pull>().bind(&endpoint).expect_err("taken");
    assert_eq!(refused.errno(), errno::EADDRINUSE);
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.send("hello").expect("a queue");
    assert_eq!(recv(&pull), "hello");
}

fn a_name_can_be_bound_once(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let refused = env.socket::<Pull>().bind(&endpoint).expect_err("taken");
    assert!(matches!(refused, EndpointFault::InUse { .. }), "{refused}");
    assert_eq!(refused.errno(), errno::EADDRINUSE);
    drop(pull);
    env.socket::<Pull>().bind(&endpoint).expect("free again");
}

fn unbinding_leaves_pipes(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    pull.unbind(&endpoint).expect("bound");
    push.send("the name is gone, the pipe is not").expect("room");
    assert_eq!(recv(&pull), "the name is gone, the pipe is not");
}

fn io_needs_a_thread(env: &Env) {
    let context = Context::builder().io_threads(0).build();
    let socket = context.socket::<Push>().expect("inproc works");
    let refused = socket.connect("tcp://127.0.0.1:5555").expect_err("no thread");
    assert_eq!(refused.errno(), errno::EMTHREAD);
    socket.bind("inproc://x").expect("inproc works");
    let only_the_second = env.socket::<Push>();
    only_the_second.set_affinity(0b10);
    let refused = only_the_second.connect("tcp://127.0.0.1:5555").expect_err("there is one thread");
    assert_eq!(refused.errno(), errno::EMTHREAD);
}

fn names_belong_to_a_context(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let context = Context::builder().blocky(false).build();
    let push = context.socket::<Push>().expect("a socket");
    push.connect(&endpoint).expect("valid, but of another context");
    push.send("to nobody").expect("a queue");
    assert_quiet(&pull);
}
