#!/usr/bin/env python3
"""Prints stock prices, of every symbol that starts with TOPIC.

stock_subscriber ENDPOINT TOPIC COUNT
"""

import sys

import zmq

endpoint, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

context = zmq.Context()
socket = context.socket(zmq.SUB)
socket.subscribe(topic)
socket.connect(endpoint)
print("READY", endpoint, flush=True)

for _ in range(count):
    symbol, price = socket.recv_multipart()
    print("price", symbol.decode(), price.decode())
print("OK", count)

socket.close()
context.term()
