#!/usr/bin/env python3
"""A pyzmq peer that a test spawns and talks to over a socket and its standard output.

    peer.py ROLE bind|connect ENDPOINT [options]

Roles, options and every line it prints are described in README.md beside this file. It never
hangs: each wait counts against --deadline-ms.
"""

import argparse
import errno
import hashlib
import itertools
import struct
import sys
import time

import zmq

import libzmq
import raw

# Socket types each role can use, its default first.
ROLES = {
    "echo": ["REP", "ROUTER", "DEALER", "PAIR", "STREAM"],
    "request": ["REQ", "DEALER", "PAIR", "STREAM"],
    "source": ["PUSH", "PUB", "XPUB", "DEALER", "PAIR"],
    "sink": ["PULL", "SUB", "XSUB", "DEALER", "PAIR", "ROUTER"],
    "subscriptions": ["XPUB"],
    "monitor": ["DEALER", "REQ", "REP", "ROUTER", "PUSH", "PULL", "PUB", "SUB", "XPUB", "XSUB",
                "PAIR", "STREAM"],
}

EVENTS = {e.value: e.name for e in zmq.Event if not e.name.startswith("PROTOCOL_ERROR")}


class Mismatch(Exception):
    """The other side sent something else than agreed, or nothing in time."""


class Deadline:
    """The time that is left for the whole run."""

    def __init__(self, milliseconds):
        self.end = time.monotonic() + milliseconds / 1000

    def left_ms(self):
        return max(0, int((self.end - time.monotonic()) * 1000))

    def wait(self, socket, event, doing):
        if not socket.poll(self.left_ms(), event):
            raise Mismatch(f"deadline passed while {doing}")

    def passed(self):
        return time.monotonic() >= self.end


def say(*words):
    print(*words, flush=True)


# --- messages whose content follows from their number ---------------------------------------


def body(sequence, part, size):
    """The bytes of one part: the pattern that README.md gives, any length, any size quickly."""
    seed = f"{sequence}:{part}:{size}:".encode()
    return (seed * (size // len(seed) + 1))[:size]


def expected(args, sequence):
    """All parts of message number `sequence`."""
    sizes = args.sizes
    first = sequence * max(args.parts)
    parts = [
        body(sequence, part, sizes[(first + part) % len(sizes)])
        for part in range(args.parts[sequence % len(args.parts)])
    ]
    return [args.topic.encode(), *parts] if args.topic is not None else parts


def compare(got, wanted, sequence):
    if len(got) != len(wanted):
        raise Mismatch(f"message {sequence}: {len(got)} parts, expected {len(wanted)}")
    for index, (have, want) in enumerate(zip(got, wanted)):
        if have != want:
            raise Mismatch(
                f"message {sequence} part {index}: {len(have)} bytes {have[:40]!r}, "
                f"expected {len(want)} bytes {want[:40]!r}"
            )


def digest_of(digest, parts):
    """Adds a message to a running hash, part boundaries included."""
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)


# --- sending and receiving under the deadline ------------------------------------------------


def send(socket, deadline, parts, doing):
    while True:
        deadline.wait(socket, zmq.POLLOUT, doing)
        try:
            return socket.send_multipart(parts, flags=zmq.DONTWAIT)
        except zmq.Again:
            pass  # the other side has just gone
        except zmq.ZMQError as error:
            # The peer that a ROUTER was told to write to is not there yet.
            if error.errno != errno.EHOSTUNREACH or deadline.passed():
                raise
            time.sleep(0.005)


def receive(socket, deadline, doing):
    while True:
        deadline.wait(socket, zmq.POLLIN, doing)
        try:
            return socket.recv_multipart(flags=zmq.DONTWAIT)
        except zmq.Again:
            pass  # what there was to read turned out to be no message, such as a late reply


# --- roles -----------------------------------------------------------------------------------


def echo(socket, args, deadline):
    """Sends back whatever comes, `count` times; 0 means until the deadline. With --batch, answers
    are held back until that many messages have come."""
    done = 0
    while args.count == 0 or done < args.count:
        if args.count == 0 and deadline.passed():
            break
        batch = []
        for number in range(done, done + args.batch):
            batch.append(receive(socket, deadline, f"waiting for message {number}"))
            if args.batch > 1:
                say("TOOK", number)
        for parts in batch:
            send(socket, deadline, parts, f"echoing message {done}")
            done += 1
            pause_after_first(socket, args, deadline, done)
    say("OK", done)


def request(socket, args, deadline):
    """Sends `count` messages, one at a time, and expects each to come back unchanged."""
    digest = hashlib.sha256()
    # A DEALER has to write the empty frame that a REQ writes by itself.
    envelope = [b""] if socket.socket_type == zmq.DEALER and args.envelope else []
    for sequence in range(args.count):
        parts = expected(args, sequence)
        reply = ask(socket, args, deadline, envelope + parts, sequence)
        compare(reply, envelope + parts, sequence)
        digest_of(digest, parts)
        pause_after_first(socket, args, deadline, sequence + 1)
    say("OK", args.count, digest.hexdigest())


def ask(socket, args, deadline, parts, sequence):
    """The reply; with --retry-ms, the question is asked again each time that none has come."""
    while True:
        send(socket, deadline, parts, f"sending request {sequence}")
        if args.retry_ms and not socket.poll(min(args.retry_ms, deadline.left_ms()), zmq.POLLIN):
            say("RETRY", sequence)
            continue
        return receive(socket, deadline, f"waiting for reply {sequence}")


def source(socket, args, deadline):
    """Sends `count` messages."""
    wait_for_subscribers(socket, args, deadline)
    digest = hashlib.sha256()
    for sequence in range(args.count):
        parts = expected(args, sequence)
        to = [args.to.encode()] if args.to is not None else []
        send(socket, deadline, to + parts, f"sending message {sequence}")
        digest_of(digest, parts)
        pause_after_first(socket, args, deadline, sequence + 1)
    say("OK", args.count, digest.hexdigest())


def pause_after_first(socket, args, deadline, done):
    """With --pause, the role goes on when the other side has been away and is back."""
    if not args.pause or done != 1:
        return
    say("PAUSED")
    wait_for_event(args.monitor_socket, "DISCONNECTED", deadline)
    # A PAIR takes the next peer only when it has let go of the last, which needs calls on it.
    while args.type == "PAIR" and args.attach == "bind" and socket.poll(0, zmq.POLLOUT):
        time.sleep(0.001)
    say("AWAY")
    if args.role == "source" and args.type in ("PUB", "XPUB"):
        wait_for_subscribers(socket, args, deadline)
    else:
        wait_for_event(args.monitor_socket, "HANDSHAKE_SUCCEEDED", deadline)


def wait_for_subscribers(socket, args, deadline):
    """A publisher drops what nobody has subscribed to yet. XPUB sees subscriptions come; PUB only
    sees connections, and gives each subscription --settle-ms to follow."""
    for number in range(args.peers):
        if socket.socket_type == zmq.XPUB:
            wait_for_subscription(socket, deadline, number)
        elif socket.socket_type == zmq.PUB:
            wait_for_event(args.monitor_socket, "HANDSHAKE_SUCCEEDED", deadline)
            time.sleep(args.settle_ms / 1000)


def wait_for_subscription(socket, deadline, number):
    while True:
        parts = receive(socket, deadline, f"waiting for subscription {number}")
        if say_subscription(parts) == "SUBSCRIBE":
            break


def wait_for_event(monitor_socket, name, deadline):
    while say_event(receive(monitor_socket, deadline, f"waiting for {name}")) != name:
        pass


def sink(socket, args, deadline):
    """Receives `count` messages and checks content and order. With --restarts, the source may start
    over that many times, from message 0; only its last run has an end."""
    digest = hashlib.sha256()
    sequence, restarts = 0, args.restarts
    while sequence < args.count or restarts > 0:
        parts = receive(socket, deadline, f"waiting for message {sequence}")
        if socket.socket_type == zmq.ROUTER:
            parts = parts[1:]
        if restarts > 0 and sequence > 0 and parts == expected(args, 0):
            sequence, restarts, digest = 0, restarts - 1, hashlib.sha256()
        compare(parts, expected(args, sequence), sequence)
        digest_of(digest, parts)
        sequence += 1
        if args.restarts and sequence == 1:
            say("GOING")
        pause_after_first(socket, args, deadline, sequence)
    say("OK", args.count, digest.hexdigest())


def subscriptions(socket, args, deadline):
    """Prints `count` subscription messages as they come."""
    for number in range(args.count):
        say_subscription(receive(socket, deadline, f"waiting for subscription {number}"))
    say("OK", args.count)


def say_subscription(parts):
    word = {0: "UNSUBSCRIBE", 1: "SUBSCRIBE"}.get(parts[0][0] if parts[0] else None, "MESSAGE")
    topic = parts[0] if word == "MESSAGE" else parts[0][1:]
    say(word, topic.hex())
    return word


def monitor(socket, args, deadline):
    """Does nothing but print events, until --until has come --times times, or `count` events."""
    times = 0
    for seen in range(1, args.count + 1) if args.count else itertools.count(1):
        frames = receive(args.monitor_socket, deadline, "waiting for an event")
        times += say_event(frames) == args.until
        if times == args.times:
            break
    if args.ending:
        end_monitor(socket, args, deadline)
    say("OK", seen)


def end_monitor(socket, args, deadline):
    """Prints what comes up to the end of the monitor, which one of three calls brings."""
    if args.ending == "unbind":
        socket.unbind(socket.last_endpoint)
    elif args.ending == "close":
        socket.close(linger=0)
    else:
        socket.disable_monitor()
    last = "CLOSED" if args.ending == "unbind" else "MONITOR_STOPPED"
    wait_for_event(args.monitor_socket, last, deadline)


def say_event(frames):
    """Prints a monitor message: event number and value without padding, then an endpoint."""
    number, value = struct.unpack("=HI", frames[0])
    name = EVENTS.get(number, str(number))
    say("EVENT", name, value, frames[1].decode() or "-")
    return name


# --- options ---------------------------------------------------------------------------------


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("attach", choices=["bind", "connect"])
    parser.add_argument("endpoint")
    parser.add_argument("--type", type=str.upper, help="socket type; default depends on the role")
    parser.add_argument("--count", type=int, default=1, help="messages, or events; 0: no limit")
    parser.add_argument("--size", dest="sizes", type=parse_sizes, default=[64],
                        help="bytes per part; a list a,b,c is used in turn")
    parser.add_argument("--parts", type=parse_sizes, default=[1],
                        help="parts per message; a list a,b,c is used in turn")
    parser.add_argument("--topic", help="first part of each message of a publisher")
    parser.add_argument("--to", help="routing id in front of each message (type ROUTER)")
    parser.add_argument("--subscribe", action="append", help="SUB and XSUB; default: everything")
    parser.add_argument("--peers", type=int, default=1, help="subscribers a publisher waits for")
    parser.add_argument("--settle-ms", type=int, default=100,
                        help="time a PUB gives each new subscriber to subscribe")
    parser.add_argument("--envelope", action="store_true", help="DEALER writes the empty frame")
    parser.add_argument("--batch", type=int, default=1, help="messages an echo takes before it answers")
    parser.add_argument("--retry-ms", type=int, default=0, help="wait before a request is repeated")
    parser.add_argument("--restarts", type=int, default=0, help="times that a sink's source starts over")
    parser.add_argument("--pause", action="store_true", help="after message 0, wait until the other side has gone and is back")
    parser.add_argument("--stay", action="store_true", help="stay after the last message")
    parser.add_argument("--gone", action="store_true", help="STREAM request: the other side closes")
    parser.add_argument("--until", help="event after which the monitor role ends")
    parser.add_argument("--times", type=int, default=1, help="how many of them it takes")
    parser.add_argument("--ending", choices=["stop", "close", "unbind"],
                        help="call that ends the monitor role, whose events are printed too")
    parser.add_argument("--zap-status", help="what the process' authentication handler answers")
    parser.add_argument("--libzmq", choices=["bundled", "system"],
                        help="the library that this must be running with")
    parser.add_argument("--events", action="store_true", help="print events in any role")
    parser.add_argument("--deadline-ms", type=int, default=10_000)
    parser.add_argument("--linger-ms", type=int, default=5_000)
    for name in INTEGER_OPTIONS:
        parser.add_argument(f"--{name}", type=int)
    for name in TEXT_OPTIONS:
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    args.type = args.type or ROLES[args.role][0]
    if args.type not in ROLES[args.role] + ["ROUTER"] * (args.to is not None):
        parser.error(f"role {args.role} works with {', '.join(ROLES[args.role])}")
    return args


def parse_sizes(text):
    return [int(size) for size in text.split(",")]


# Options handed to the socket as they are.
INTEGER_OPTIONS = {
    "heartbeat-ivl": zmq.HEARTBEAT_IVL,
    "heartbeat-timeout": zmq.HEARTBEAT_TIMEOUT,
    "heartbeat-ttl": zmq.HEARTBEAT_TTL,
    "handshake-ivl": zmq.HANDSHAKE_IVL,
    "reconnect-ivl": zmq.RECONNECT_IVL,
    "sndhwm": zmq.SNDHWM,
    "rcvhwm": zmq.RCVHWM,
    "immediate": zmq.IMMEDIATE,
    "conflate": zmq.CONFLATE,
    "ipv6": zmq.IPV6,
    "xpub-verbose": zmq.XPUB_VERBOSE,
    "router-mandatory": zmq.ROUTER_MANDATORY,
    "router-handover": zmq.ROUTER_HANDOVER,
    "probe-router": zmq.PROBE_ROUTER,
    "plain-server": zmq.PLAIN_SERVER,
    "curve-server": zmq.CURVE_SERVER,
    "req-relaxed": zmq.REQ_RELAXED,
    "req-correlate": zmq.REQ_CORRELATE,
    "stream-notify": zmq.STREAM_NOTIFY,
    "ipc-filter-uid": zmq.IPC_FILTER_UID,
}
TEXT_OPTIONS = {
    "routing-id": zmq.ROUTING_ID,
    "connect-routing-id": zmq.CONNECT_ROUTING_ID,
    "plain-username": zmq.PLAIN_USERNAME,
    "plain-password": zmq.PLAIN_PASSWORD,
    "curve-publickey": zmq.CURVE_PUBLICKEY,
    "curve-secretkey": zmq.CURVE_SECRETKEY,
    "curve-serverkey": zmq.CURVE_SERVERKEY,
    "zap-domain": zmq.ZAP_DOMAIN,
    "tcp-accept-filter": zmq.TCP_ACCEPT_FILTER,
}


def set_options(socket, args):
    given = vars(args)
    # A subscriber would only linger over subscriptions that no publisher wants any more.
    subscriber = args.type in ("SUB", "XSUB")
    socket.setsockopt(zmq.LINGER, 0 if subscriber else args.linger_ms)
    if args.to is not None:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    for name, option in INTEGER_OPTIONS.items():
        if (value := given[name.replace("-", "_")]) is not None:
            socket.setsockopt(option, value)
    for name, option in TEXT_OPTIONS.items():
        if (value := given[name.replace("-", "_")]) is not None:
            socket.setsockopt(option, value.encode())


def subscribe(socket, args):
    for topic in args.subscribe if args.subscribe is not None else [""]:
        if socket.socket_type == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        elif socket.socket_type == zmq.XSUB:
            socket.send(b"\x01" + topic.encode())


# --- the run ---------------------------------------------------------------------------------


def attach(socket, args):
    if args.attach == "bind":
        bind(socket, args)
    else:
        socket.connect(args.endpoint)
    subscribe(socket, args)
    say("READY", socket.last_endpoint.decode().rstrip("\0") or "-")


def bind(socket, args):
    """In role monitor a failure is something to be watched."""
    try:
        socket.bind(args.endpoint)
    except zmq.ZMQError:
        if args.role != "monitor":
            raise


def run(args):
    deadline = Deadline(args.deadline_ms)
    context = zmq.Context()
    if args.zap_status:
        libzmq.answer_authentication(context, args.zap_status.encode())
    socket = context.socket(getattr(zmq, args.type))
    set_options(socket, args)
    watch = args.events or args.pause or args.role == "monitor" or args.type == "PUB"
    args.monitor_socket = socket.get_monitor_socket() if watch else None
    try:
        attach(socket, args)
        play(socket, args, deadline)
        if args.events:
            say_pending_events(args.monitor_socket)
        if args.stay:
            time.sleep(deadline.left_ms() / 1000)
            raise Mismatch("deadline passed while staying")
    finally:
        if watch:
            if not socket.closed:
                socket.disable_monitor()
            args.monitor_socket.close(linger=0)
        socket.close()
    # Waits, up to --linger-ms, until what was sent has left.
    context.term()


def play(socket, args, deadline):
    if args.type == "STREAM" and args.role != "monitor":
        reader = raw.Reader(lambda doing: receive(socket, deadline, doing), say)
        writer = lambda parts, doing: send(socket, deadline, parts, doing)
        messages = (b"".join(expected(args, sequence)) for sequence in range(args.count))
        getattr(raw, args.role)(reader, writer, args, messages)
    else:
        globals()[args.role](socket, args, deadline)


def say_pending_events(monitor_socket):
    while monitor_socket.poll(0):
        say_event(monitor_socket.recv_multipart())


def main():
    args = parse_arguments()
    if problem := libzmq.problem(args.libzmq):
        sys.exit(f"ERROR 0 {problem}")
    try:
        run(args)
    except Mismatch as reason:
        sys.exit(f"MISMATCH {reason}")
    except raw.Mismatch as reason:
        sys.exit(f"MISMATCH {reason}")
    except zmq.ZMQError as error:
        sys.exit(f"ERROR {error.errno} {error}")


if __name__ == "__main__":
    main()
