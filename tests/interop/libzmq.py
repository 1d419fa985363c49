"""The library below pyzmq: which one it is, and the authentication handler it asks."""

import ctypes
import os
import threading

import zmq


class _Place(ctypes.Structure):
    """What dladdr(3) tells about an address."""

    _fields_ = [
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    ]


def preloaded():
    """File and version of the library that comes before the one pyzmq brings; None if none does.

    Only a preloaded library is in the global scope, where the dynamic linker looks first."""
    main = ctypes.CDLL(None)
    try:
        function = main.zmq_version
    except AttributeError:
        return None
    place = _Place()
    if not main.dladdr(ctypes.cast(function, ctypes.c_void_p), ctypes.byref(place)):
        return None
    numbers = [ctypes.c_int() for _ in range(3)]
    function(*map(ctypes.byref, numbers))
    return place.file.decode(), tuple(number.value for number in numbers)


def problem(wanted):
    """Why this process does not run with the library it was told to, or None."""
    found = preloaded()
    if wanted == "system":
        if found is None:
            return "no libzmq is preloaded: is Debian's libzmq5 installed?"
        file, version = found
        if "site-packages" in file or os.path.realpath(file) not in mapped_files():
            return f"the preloaded libzmq is {file}"
        if version != zmq.zmq_version_info():
            return f"pyzmq calls libzmq {zmq.zmq_version()}, but {file} is {version}"
    elif wanted == "bundled" and found is not None:
        return f"{found[0]} is preloaded"
    return None


def mapped_files():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return {line.split()[-1] for line in maps}


def answer_authentication(context, status):
    """A handler (ZAP) that gives everybody the same answer, for as long as the context lives."""
    handler = context.socket(zmq.REP)
    handler.linger = 0
    handler.bind("inproc://zeromq.zap.01")

    def serve():
        try:
            while True:
                version, request, *_ = handler.recv_multipart()
                handler.send_multipart([version, request, status, b"as told", b"", b""])
        except zmq.ContextTerminated:
            handler.close()

    threading.Thread(target=serve, daemon=True).start()
