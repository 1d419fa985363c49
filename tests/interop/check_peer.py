#!/usr/bin/env python3
"""Runs peer.py against itself, so that a failing interop test is not the peer's fault."""

import pathlib
import subprocess
import sys
import tempfile

PEER = pathlib.Path(__file__).parent / "peer.py"

SMALL = "0,1,64,255,256"
LARGE = str(10 * 1024 * 1024)


def start(*arguments):
    command = [sys.executable, str(PEER), *map(str, arguments)]
    peer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peer.endpoint = peer.stdout.readline().split()[-1]
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


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for endpoint in ("tcp://127.0.0.1:*", f"ipc://{folder}/peer"):
            for bind, connect, both in CASES:
                for amount in (f"--count 200 --size {SMALL}", f"--count 3 --size {LARGE}"):
                    problem = check(bind, connect, f"{both} {amount}", endpoint)
                    failed += report(problem, f"{bind} <- {connect} {both} {amount}", endpoint)
            for other in (check_wrong_content, check_deadline, check_subscriptions, check_monitor):
                failed += report(other(endpoint), other.__name__, endpoint)
    sys.exit(1 if failed else 0)


def report(problem, name, endpoint):
    print("FAILED" if problem else "ok", endpoint.split(":")[0], name, problem or "", flush=True)
    return problem is not None


if __name__ == "__main__":
    main()
