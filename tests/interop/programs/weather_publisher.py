#!/usr/bin/env python3
"""Publishes the weather of ten places, over and over.

weather_publisher ENDPOINT ROUNDS          ROUNDS 0 means for ever
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
    for zip_code in range(10001, 10011):
        temperature = zip_code % 100 + number % 10
        humidity = 50 + number % 10
        socket.send_string(f"{zip_code} {temperature} {humidity}")
    time.sleep(0.001)
print("OK", rounds)

socket.close()
context.term()
