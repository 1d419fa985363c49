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
import sys
import time

import zmq
from zmq.utils.monitor import parse_monitor_message

# Socket types each role can use, its default first.
ROLES = {
    "echo": ["REP", "ROUTER", "DEALER", "PAIR"],
    "request": ["REQ", "DEALER"],
    "source": ["PUSH", "PUB", "XPUB", "DEALER", "PAIR"],
    "sink": ["PULL", "SUB", "XSUB", "DEALER", "PAIR", "ROUTER"],
    "subscriptions": ["XPUB"],
    "monitor": ["DEALER", "REQ", "REP", "ROUTER", "PUSH", "PULL", "PUB", "SUB", "PAIR"],
}

EVENTS = {e.value: e.name for e in zmq.Event if not e.name.startswith("PROTOCOL_ERROR")}


class Mismatch(Exception):
    """The other side sent something else than agreed, or nothing in time."""


class Deadline:
    """The time that is left for the whole run."""

    def __init__(self, milliseconds):
        self.end = time.monotonic() + milliseconds / 1000

    def wait(self, socket, event, doing):
        left = max(0, int((self.end - time.monotonic()) * 1000))
        if not socket.poll(left, event):
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
    first = sequence * args.parts
    parts = [
        body(sequence, part, sizes[(first + part) % len(sizes)]) for part in range(args.parts)
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
        except zmq.ZMQError as error:
            # The peer that a ROUTER was told to write to is not there yet.
            if error.errno != errno.EHOSTUNREACH or deadline.passed():
                raise
            time.sleep(0.005)


def receive(socket, deadline, doing):
    deadline.wait(socket, zmq.POLLIN, doing)
    return socket.recv_multipart(flags=zmq.DONTWAIT)


# --- roles -----------------------------------------------------------------------------------


def echo(socket, args, deadline):
    """Sends back whatever comes, `count` times; 0 means until the deadline."""
    done = 0
    while args.count == 0 or done < args.count:
        if args.count == 0 and deadline.passed():
            break
        parts = receive(socket, deadline, f"waiting for message {done}")
        send(socket, deadline, parts, f"echoing message {done}")
        done += 1
    say("OK", done)


def request(socket, args, deadline):
    """Sends `count` messages, one at a time, and expects each to come back unchanged."""
    digest = hashlib.sha256()
    # A DEALER has to write the empty frame that a REQ writes by itself.
    envelope = [b""] if socket.socket_type == zmq.DEALER and args.envelope else []
    for sequence in range(args.count):
        parts = expected(args, sequence)
        send(socket, deadline, envelope + parts, f"sending request {sequence}")
        reply = receive(socket, deadline, f"waiting for reply {sequence}")
        compare(reply, envelope + parts, sequence)
        digest_of(digest, parts)
    say("OK", args.count, digest.hexdigest())


def source(socket, args, deadline):
    """Sends `count` messages."""
    wait_for_subscribers(socket, args, deadline)
    digest = hashlib.sha256()
    for sequence in range(args.count):
        parts = expected(args, sequence)
        to = [args.to.encode()] if args.to is not None else []
        send(socket, deadline, to + parts, f"sending message {sequence}")
        digest_of(digest, parts)
    say("OK", args.count, digest.hexdigest())


def wait_for_subscribers(socket, args, deadline):
    """A publisher drops what nobody has subscribed to yet. XPUB sees subscriptions come; PUB only
    sees connections, and gives each subscription --settle-ms to follow."""
    for number in range(args.peers):
        if socket.socket_type == zmq.XPUB:
            say_subscription(receive(socket, deadline, f"waiting for subscription {number}"))
        elif socket.socket_type == zmq.PUB:
            wait_for_event(args.monitor_socket, "HANDSHAKE_SUCCEEDED", deadline)
            time.sleep(args.settle_ms / 1000)


def wait_for_event(monitor_socket, name, deadline):
    while say_event(receive(monitor_socket, deadline, f"waiting for {name}")) != name:
        pass


def sink(socket, args, deadline):
    """Receives `count` messages and checks content and order."""
    digest = hashlib.sha256()
    for sequence in range(args.count):
        parts = receive(socket, deadline, f"waiting for message {sequence}")
        if socket.socket_type == zmq.ROUTER:
            parts = parts[1:]
        compare(parts, expected(args, sequence), sequence)
        digest_of(digest, parts)
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


def monitor(socket, args, deadline):
    """Does nothing but print events, until --until has come or `count` of them."""
    for seen in range(1, args.count + 1) if args.count else itertools.count(1):
        frames = receive(args.monitor_socket, deadline, "waiting for an event")
        if say_event(frames) == args.until:
            break
    say("OK", seen)


def say_event(frames):
    event = parse_monitor_message(frames)
    name = EVENTS.get(event["event"], str(event["event"]))
    say("EVENT", name, event["value"], event["endpoint"].decode() or "-")
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
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--topic", help="first part of each message of a publisher")
    parser.add_argument("--to", help="routing id in front of each message (type ROUTER)")
    parser.add_argument("--subscribe", action="append", help="SUB and XSUB; default: everything")
    parser.add_argument("--peers", type=int, default=1, help="subscribers a publisher waits for")
    parser.add_argument("--settle-ms", type=int, default=100,
                        help="time a PUB gives each new subscriber to subscribe")
    parser.add_argument("--envelope", action="store_true", help="DEALER writes the empty frame")
    parser.add_argument("--until", help="event after which the monitor role ends")
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
        socket.bind(args.endpoint)
    else:
        socket.connect(args.endpoint)
    subscribe(socket, args)
    say("READY", socket.last_endpoint.decode().rstrip("\0"))


def run(args):
    deadline = Deadline(args.deadline_ms)
    context = zmq.Context()
    socket = context.socket(getattr(zmq, args.type))
    set_options(socket, args)
    watch = args.events or args.role == "monitor" or args.type == "PUB"
    args.monitor_socket = socket.get_monitor_socket() if watch else None
    try:
        attach(socket, args)
        globals()[args.role](socket, args, deadline)
        if args.events:
            say_pending_events(args.monitor_socket)
    finally:
        if watch:
            socket.disable_monitor()
            args.monitor_socket.close(linger=0)
        socket.close()
    # Waits, up to --linger-ms, until what was sent has left.
    context.term()


def say_pending_events(monitor_socket):
    while monitor_socket.poll(0):
        say_event(monitor_socket.recv_multipart())


def main():
    args = parse_arguments()
    try:
        run(args)
    except Mismatch as reason:
        sys.exit(f"MISMATCH {reason}")
    except zmq.ZMQError as error:
        sys.exit(f"ERROR {error.errno} {error}")


if __name__ == "__main__":
    main()
