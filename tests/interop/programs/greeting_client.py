#!/usr/bin/env python3
"""Says Hello and waits for the answer.

greeting_client ENDPOINT COUNT
"""

import sys

import zmq

endpoint, count = sys.argv[1], int(sys.argv[2])

context = zmq.Context()
socket = context.socket(zmq.REQ)
socket.connect(endpoint)
print("READY", endpoint, flush=True)

for _ in range(count):
    socket.send_string("Hello")
    print("received", socket.recv_string())
print("OK", count)

socket.close()
context.term()
