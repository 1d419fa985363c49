"""The roles of a STREAM, which knows chunks of bytes and no messages."""

import hashlib


class Mismatch(Exception):
    """The other side sent something else than agreed."""


class Reader:
    """Chunks as they come, with the notices among them told."""

    def __init__(self, receive, say):
        self.receive = receive
        self.say = say

    def chunk(self, doing):
        """The next `id, bytes`, where no bytes are a notice."""
        parts = self.receive(doing)
        if len(parts) != 2:
            raise Mismatch(f"{len(parts)} parts instead of id and bytes while {doing}")
        return parts

    def notice(self, word, doing):
        """Waits for a notice; returns whom it is about."""
        peer, data = self.chunk(doing)
        if data:
            raise Mismatch(f"{len(data)} bytes instead of a notice while {doing}")
        self.say(word, peer.hex())
        return peer

    def exactly(self, peer, size, doing):
        """`size` bytes of this peer, in however many chunks."""
        data = bytearray()
        while len(data) < size:
            sender, chunk = self.chunk(doing)
            if sender != peer or not chunk:
                raise Mismatch(f"{len(data)} bytes, then {chunk[:9]!r} of {sender!r}, while {doing}")
            data += chunk
        return bytes(data)


def echo(reader, send, args, messages):
    """Sends back what comes, until `count` peers have come and gone."""
    del messages
    here, gone = set(), 0
    while gone < args.count:
        peer, data = reader.chunk("waiting for bytes")
        if data:
            send([peer, data], "echoing bytes")
        elif peer in here:
            here.remove(peer)
            gone += 1
            reader.say("GONE", peer.hex())
        else:
            here.add(peer)
            reader.say("PEER", peer.hex())
    reader.say("OK", gone)


def request(reader, send, args, messages):
    """Sends messages as bytes, one at a time, and expects them back; then closes the connection, or
    with --gone waits until the other side does."""
    digest = hashlib.sha256()
    peer = reader.notice("PEER", "waiting for a peer")
    for sequence, message in enumerate(messages):
        send([peer, message], f"sending message {sequence}")
        back = reader.exactly(peer, len(message), f"waiting for message {sequence} to come back")
        if back != message:
            raise Mismatch(f"message {sequence} came back as {back[:40]!r}")
        digest.update(message)
    if args.gone:
        if reader.notice("GONE", "waiting for the end") != peer:
            raise Mismatch("somebody else has gone")
    else:
        send([peer, b""], "closing the connection")
    reader.say("OK", args.count, digest.hexdigest())
