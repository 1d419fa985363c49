#!/usr/bin/env python3
"""Collects the results of a batch: each task exactly once.

task_sink ENDPOINT TASKS
"""

import sys
import time

import zmq

endpoint, tasks = sys.argv[1], int(sys.argv[2])

context = zmq.Context()
socket = context.socket(zmq.PULL)
socket.bind(endpoint)
print("READY", socket.last_endpoint.decode(), flush=True)

if (first := socket.recv_string()) != "start":
    sys.exit(f"MISMATCH expected start, got {first}")
start = time.monotonic()
results = sorted(int(socket.recv_string()) for _ in range(tasks))
if results != list(range(tasks)):
    sys.exit(f"MISMATCH results {results}")
print("elapsed", round((time.monotonic() - start) * 1000), "ms")
print("OK", tasks)

socket.close()
context.term()
