#!/usr/bin/env python3
"""Hands out a batch of tasks, once a line on standard input says that the workers are ready.

task_ventilator ENDPOINT SINK_ENDPOINT TASKS
"""

import sys

import zmq

endpoint, sink_endpoint, tasks = sys.argv[1], sys.argv[2], int(sys.argv[3])

context = zmq.Context()
workers = context.socket(zmq.PUSH)
workers.bind(endpoint)
sink = context.socket(zmq.PUSH)
sink.connect(sink_endpoint)
print("READY", workers.last_endpoint.decode(), flush=True)

sys.stdin.readline()
sink.send_string("start")
cost_ms = 0
for number in range(tasks):
    milliseconds = number % 4
    cost_ms += milliseconds
    workers.send_string(f"{number} {milliseconds}")
print("cost", cost_ms, "ms")
print("OK", tasks)

workers.close()
sink.close()
context.term()
