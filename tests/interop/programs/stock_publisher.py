#!/usr/bin/env python3
"""Publishes stock prices, symbol and price as two parts of one message.

stock_publisher ENDPOINT ROUNDS            ROUNDS 0 means for ever
"""

import itertools
import sys
import time

import zmq

endpoint, rounds = sys.argv[1], int(sys.argv[2])

context = zmq.Context()
socket = context.socket(zmq.PUB)
socket.bind(endpoint)
print("READY", socket.last_endpoint.decode(), flush=True)

for number in range(rounds) if rounds else itertools.count():
    cents = 10000 + number
    for symbol in ("AAPL", "AMZN", "GOOG", "MSFT"):
        price = f"{cents // 100}.{cents % 100:02}"
        socket.send_multipart([symbol.encode(), price.encode()])
    time.sleep(0.001)
print("OK", rounds)

socket.close()
context.term()
