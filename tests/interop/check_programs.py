#!/usr/bin/env python3
"""Runs the newcomer's programs against each other and checks what they print.

    check_programs.py                 every program in Python
    check_programs.py --rust FOLDER   also every mix with the Rust examples in FOLDER
"""

import argparse
import itertools
import pathlib
import subprocess
import sys
import threading

PROGRAMS = pathlib.Path(__file__).parent / "programs"
TIMEOUT_S = 30
ANY_PORT = "tcp://127.0.0.1:*"


class Failure(Exception):
    """A program did not print what README.md promises."""


class Program:
    """A running program; its standard output is read line by line."""

    def __init__(self, language, rust, name, *arguments):
        self.label = f"{name} ({language})"
        command = [rust / name] if language == "rust" else [sys.executable, PROGRAMS / f"{name}.py"]
        self.process = subprocess.Popen(
            [*map(str, command), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        # Nothing below waits for ever: when time is up, the program ends and so does its output.
        self.timer = threading.Timer(TIMEOUT_S, self.process.kill)
        self.timer.start()
        self.endpoint = None

    def wait_ready(self):
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != "READY":
            raise Failure(f"{self.label}: expected READY ENDPOINT, got {line}")
        self.endpoint = line[1]
        return self

    def press_enter(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def lines(self):
        """Everything after READY, up to the end; the end must be a good one."""
        lines = self.process.stdout.read().splitlines()
        if (code := self.process.wait()) != 0:
            raise Failure(f"{self.label}: exit code {code}, last lines {lines[-3:]}")
        return lines

    def expect(self, wanted):
        lines = self.lines()
        if lines != wanted:
            raise Failure(f"{self.label}: printed {lines[:6]}, expected {wanted[:6]}")

    def stop(self):
        self.timer.cancel()
        self.process.kill()
        self.process.wait()


def check_greeting(start, server, client):
    server = start(server, "greeting_server", ANY_PORT, 100)
    client = start(client, "greeting_client", server.endpoint, 100)
    client.expect(["received World"] * 100 + ["OK 100"])
    server.expect(["received Hello"] * 100 + ["OK 100"])


def check_weather(start, publisher, subscriber):
    publisher = start(publisher, "weather_publisher", ANY_PORT, 0)
    subscriber = start(subscriber, "weather_subscriber", publisher.endpoint, "10007", 100)
    subscriber.expect(["average temperature 11.5 humidity 54.5", "OK 100"])


def check_stock(start, publisher, subscriber):
    publisher = start(publisher, "stock_publisher", ANY_PORT, 0)
    subscriber = start(subscriber, "stock_subscriber", publisher.endpoint, "A", 200)
    lines = [line.split() for line in subscriber.lines()]
    if lines.pop() != ["OK", "200"]:
        raise Failure(f"{subscriber.label}: no OK at the end")
    symbols = [line[1] for line in lines]
    if symbols not in (["AAPL", "AMZN"] * 100, ["AMZN", "AAPL"] * 100):
        raise Failure(f"{subscriber.label}: symbols {symbols[:6]}")
    cents = [round(float(line[2]) * 100) for line in lines if line[1] == "AAPL"]
    if cents != list(range(cents[0], cents[0] + 100)):
        raise Failure(f"{subscriber.label}: prices with a gap: {cents[:6]}")


def check_task(start, ventilator, worker, sink):
    sink = start(sink, "task_sink", ANY_PORT, 100)
    ventilator = start(ventilator, "task_ventilator", ANY_PORT, sink.endpoint, 100)
    for _ in range(2):
        start(worker, "task_worker", ventilator.endpoint, sink.endpoint, 0)
    ventilator.press_enter()
    ventilator.expect(["cost 150 ms", "OK 100"])
    lines = sink.lines()
    if len(lines) != 2 or not lines[0].startswith("elapsed ") or lines[1] != "OK 100":
        raise Failure(f"{sink.label}: printed {lines}")


CHECKS = {check_greeting: 2, check_weather: 2, check_stock: 2, check_task: 3}


def run_check(check, languages, rust):
    """Runs one check; whatever it started is gone afterwards."""
    running = []

    def start(language, name, *arguments):
        running.append(Program(language, rust, name, *arguments))
        return running[-1].wait_ready()

    try:
        check(start, *languages)
        return None
    except (Failure, OSError) as failure:
        return failure
    finally:
        for program in running:
            program.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rust", type=pathlib.Path, help="folder of the built Rust examples")
    rust = parser.parse_args().rust
    failed = 0
    for check, roles in CHECKS.items():
        for languages in itertools.product(["python", "rust"] if rust else ["python"], repeat=roles):
            failure = run_check(check, languages, rust)
            name = check.__name__.removeprefix("check_")
            print("FAILED" if failure else "ok", name, *languages, failure or "", flush=True)
            failed += failure is not None
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
