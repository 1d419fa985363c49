#!/usr/bin/env python3
"""Answers Hello with World.

greeting_server ENDPOINT COUNT
"""

import sys

import zmq

endpoint, count = sys.argv[1], int(sys.argv[2])

context = zmq.Context()
socket = context.socket(zmq.REP)
socket.bind(endpoint)
print("READY", socket.last_endpoint.decode(), flush=True)

for _ in range(count):
    print("received", socket.recv_string())
    socket.send_string("World")
print("OK", count)

socket.close()
context.term()
