#!/usr/bin/env python3
"""Runs peer.py against itself, so that a failing interop test is not the peer's fault."""

import itertools
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

PEER = pathlib.Path(__file__).parent / "peer.py"

SMALL = "0,1,64,255,256,4096,65536"
LARGE = str(10 * 1024 * 1024)


def start(*arguments):
    command = [sys.executable, str(PEER), *map(str, arguments)]
    peer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peer.endpoint = (peer.stdout.readline().split() or ["-"])[-1]
    return peer


def finish(peer):
    output, errors = peer.stdout.read(), peer.stderr.read()
    if code := peer.wait():
        return f"exit code {code}: {errors.strip()}", None
    return None, [line for line in output.splitlines() if not line.startswith("EVENT")]


# What the binding peer does, what the connecting peer does, and what both are told.
CASES = [
    ("echo --type REP", "request --type REQ", ""),
    ("echo --type REP", "request --type DEALER --envelope", ""),
    ("echo --type ROUTER", "request --type REQ --routing-id me", ""),
    ("echo --type ROUTER", "request --type DEALER", "--parts 3"),
    ("echo --type DEALER", "request --type DEALER", "--parts 2"),
    ("source --type PUSH", "sink --type PULL", "--parts 3"),
    ("sink --type PULL", "source --type PUSH", ""),
    ("source --type DEALER", "sink --type ROUTER", ""),
    ("source --type PAIR", "sink --type PAIR", "--parts 2"),
    ("source --type ROUTER --to me", "sink --type DEALER --routing-id me", ""),
    ("source --type XPUB --topic ab", "sink --type SUB --subscribe a --topic ab", ""),
    ("source --type XPUB --topic ab", "sink --type XSUB --subscribe ab --topic ab", "--parts 2"),
    ("source --type PUB --topic ab", "sink --type SUB --topic ab", ""),
    ("sink --type SUB --topic t", "source --type PUB --topic t", ""),
    ("sink --type XSUB", "source --type XPUB", "--parts 1,3"),
    ("echo --type PAIR", "request --type PAIR --retry-ms 5000", "--parts 1,3"),
    ("echo --heartbeat-ivl 100", "request --heartbeat-ivl 100 --events", ""),
]


def check(bind, connect, both, endpoint):
    """The first problem, or None."""
    bound = start(*bind.split()[:1], "bind", endpoint, *bind.split()[1:], *both.split())
    peer = start(*connect.split()[:1], "connect", bound.endpoint, *connect.split()[1:], *both.split())
    (problem, first), (other, second) = finish(bound), finish(peer)
    if problem or other:
        return problem or other
    done = [next(line for line in lines if line.startswith("OK")) for lines in (first, second)]
    digests = {line.split()[2] for line in done if len(line.split()) == 3}
    return None if len(digests) == 1 else f"digests differ: {done}"


def check_wrong_content(endpoint):
    """A sink must notice that it gets something else."""
    bound = start("source", "bind", endpoint, "--size", 9)
    problem, _ = finish(start("sink", "connect", bound.endpoint, "--size", 10))
    finish(bound)
    return None if problem and "MISMATCH" in problem else f"went unnoticed: {problem}"


def check_deadline(endpoint):
    """A sink nobody sends to must end by itself."""
    problem, _ = finish(start("sink", "bind", endpoint, "--deadline-ms", 200))
    return None if problem and "deadline" in problem else f"no deadline: {problem}"


def check_subscriptions(endpoint):
    """Subscriptions and their end are printed in order."""
    bound = start("subscriptions", "bind", endpoint, "--count", 2)
    finish(start("sink", "connect", bound.endpoint, "--type", "SUB", "--subscribe", "xy",
                 "--deadline-ms", 300))
    problem, lines = finish(bound)
    wanted = ["SUBSCRIBE 7879", "UNSUBSCRIBE 7879", "OK 2"]
    return problem or (None if lines == wanted else f"printed {lines}")


def check_monitor(endpoint):
    """Events have names, up to the one that was asked for."""
    bound = start("echo", "bind", endpoint, "--deadline-ms", 500)
    arguments = ("--type", "REQ", "--until", "HANDSHAKE_SUCCEEDED", "--count", 0)
    problem, lines = finish(start("monitor", "connect", bound.endpoint, *arguments))
    finish(bound)
    return problem or (None if lines and lines[-1].startswith("OK") else f"printed {lines}")


def check_raw_bytes(endpoint):
    """A STREAM sends bytes back, and both sides are told of the connection."""
    if not endpoint.startswith("tcp"):
        return None
    bound = start("echo", "bind", endpoint, "--type", "STREAM")
    problem, lines = finish(start("request", "connect", bound.endpoint, "--type", "STREAM",
                                  "--count", 9, "--size", "1,70000", "--parts", "1,3"))
    other, notices = finish(bound)
    words = [line.split()[0] for line in (lines or []) + (notices or [])]
    good = words == ["PEER", "OK", "PEER", "GONE", "OK"]
    return problem or other or (None if good else f"printed {lines} and {notices}")


def check_restarts(endpoint):
    """A sink takes a source that starts over once, and no other way of starting over."""
    bound = start("sink", "bind", endpoint, "--count", 9, "--restarts", 1)
    for count in (5, 9):
        finish(start("source", "connect", bound.endpoint, "--count", count))
    problem, lines = finish(bound)
    wanted = ["GOING", "GOING", "OK 9"]
    good = lines and [line[:5].strip() for line in lines] == [line[:5].strip() for line in wanted]
    return problem or (None if good else f"printed {lines}")


def check_library(endpoint):
    """A peer that was told to run with the system's library does not run with another."""
    problem, _ = finish(start("echo", "bind", endpoint, "--libzmq", "system"))
    return None if problem and "no libzmq is preloaded" in problem else f"went unnoticed: {problem}"


OTHER_CHECKS = (check_wrong_content, check_deadline, check_subscriptions, check_monitor,
                check_raw_bytes, check_restarts, check_library)


def main():
    """Four checks at a time: each is mostly two processes that start and wait for each other."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(4) as pool:
        places = (f"ipc://{folder}/{number}" for number in itertools.count())
        futures = [
            pool.submit(run, name, function, endpoint)
            for transport in ("tcp", "ipc")
            for name, function in checks()
            for endpoint in ["tcp://127.0.0.1:*" if transport == "tcp" else next(places)]
        ]
        failed = sum(future.result() for future in futures)
    sys.exit(1 if failed else 0)


def checks():
    """Every check by name, as a function of an endpoint."""
    for bind, connect, both in CASES:
        for amount in (f"--count 200 --size {SMALL}", f"--count 2 --size {LARGE}"):
            yield (f"{bind} <- {connect} {both} {amount}",
                   lambda at, bind=bind, connect=connect, both=f"{both} {amount}":
                       check(bind, connect, both, at))
    for other in OTHER_CHECKS:
        yield other.__name__, other


def run(name, function, endpoint):
    problem = function(endpoint)
    print("FAILED" if problem else "ok", endpoint.split(":")[0], name, problem or "", flush=True)
    return problem is not None


if __name__ == "__main__":
    main()
