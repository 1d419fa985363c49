#!/usr/bin/env python3
"""Averages some updates of one place's weather.

weather_subscriber ENDPOINT ZIP_CODE COUNT
"""

import sys

import zmq

endpoint, zip_code, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

context = zmq.Context()
socket = context.socket(zmq.SUB)
socket.subscribe(zip_code)
socket.connect(endpoint)
print("READY", endpoint, flush=True)

temperatures = humidities = 0
for _ in range(count):
    _, temperature, humidity = socket.recv_string().split()
    temperatures += int(temperature)
    humidities += int(humidity)
print(f"average temperature {temperatures / count:.1f} humidity {humidities / count:.1f}")
print("OK", count)

socket.close()
context.term()
