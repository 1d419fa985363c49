#!/usr/bin/env python3
"""Does tasks: waits as many milliseconds as the task says, then reports its number.

task_worker VENTILATOR_ENDPOINT SINK_ENDPOINT COUNT    COUNT 0 means for ever
"""

import itertools
import sys
import time

import zmq

ventilator_endpoint, sink_endpoint, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

context = zmq.Context()
ventilator = context.socket(zmq.PULL)
ventilator.connect(ventilator_endpoint)
sink = context.socket(zmq.PUSH)
sink.connect(sink_endpoint)
print("READY", ventilator_endpoint, flush=True)

for _ in range(count) if count else itertools.count():
    number, milliseconds = ventilator.recv_string().split()
    time.sleep(int(milliseconds) / 1000)
    sink.send_string(number)
print("OK", count)

ventilator.close()
sink.close()
context.term()
