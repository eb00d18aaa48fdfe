#!/usr/bin/env python3
"""meddler.py ENDPOINT: a worker connects to this instead of to the coordinator at ENDPOINT (tcp://ADDRESS:PORT, no keys). It
passes on everything, and on command says more in the worker's name, over the worker's own connection.

On standard output: "listening ENDPOINT"; "came KIND TURN" for each message that it passes on; "meddled" when a command is
done. Commands, a line each on standard input: "meddle", and "end"."""
import os
import socket
import struct
import sys
import threading

KINDS = ["", "HELLO", "WELCOME", "READY", "ROUND", "UPDATE", "BEAT", "ERROR", "ABORT", "DONE"]
READY, UPDATE = 3, 5
GREETING_BYTES = 64
MORE, LARGE, COMMAND = 1, 2, 4
HEADER = struct.Struct("<4sQHBB40sQIIIIIIHHI")  # transport/README.md, "The grammar"
FIELDS = (
    "magic peer version kind flags run sequence turn round rank limit n text_bytes identity_bytes host_bytes reserved"
).split()
NOT_A_NUMBER = struct.pack("<4f", 1, float("nan"), float("inf"), 2)


def say(text):
    print(text, flush=True)


def exactly(peer, n):
    data = b""
    while len(data) < n:
        part = peer.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def frame(body, more=False):
    flags = (MORE if more else 0) | (LARGE if len(body) > 255 else 0)
    return struct.pack(">BQ" if len(body) > 255 else ">BB", flags, len(body)) + body


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for peer in source, target:
        try:
            peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Worker:
    """The way up, message by message."""

    def __init__(self):
        self.lock = threading.Lock()
        self.up = None
        self.beat = None  # the newest BEAT's first frame
        self.updates = []  # every UPDATE, as its frames

    def carry(self, source, target):
        try:
            for _ in range(GREETING_BYTES):  # each end waits for the other's in between
                target.sendall(exactly(source, 1))
            with self.lock:
                self.up = target
            while True:
                self.carry_message(source, target)
        except (EOFError, OSError):
            target.close()

    def carry_message(self, source, target):
        raw, bodies, flags = b"", [], MORE
        while flags & MORE:
            head = exactly(source, 1)
            flags = head[0]
            size = exactly(source, 8 if flags & LARGE else 1)
            body = exactly(source, int.from_bytes(size, "big"))
            raw += head + size + body
            bodies.append(body)
        with self.lock:
            target.sendall(raw)
            if not flags & COMMAND:
                self.remember(bodies)

    def remember(self, bodies):
        fields = dict(zip(FIELDS, HEADER.unpack(bodies[0][: HEADER.size])))
        kind = KINDS[fields["kind"]]
        if kind == "BEAT":
            self.beat = bodies[0]
        elif kind == "UPDATE":
            self.updates.append(bodies)
        say(f"came {kind} {fields['turn']}")

    def changed(self, text=b"\0\0\0", **changes):
        fields = dict(zip(FIELDS, HEADER.unpack(self.beat[: HEADER.size])), flags=0)
        fields.update(changes)
        return HEADER.pack(*(fields[name] for name in FIELDS)) + text

    def meddle(self):
        with self.lock:
            said = [
                frame(os.urandom(200)),  # garbage
                frame(self.beat[:50]),  # truncated
                frame(self.changed(version=99)),
                frame(self.changed(run=b"another-run".ljust(40, b"\0"))),
                frame(self.changed(rank=7)),  # of nobody
                frame(self.changed(kind=UPDATE, n=4), more=True) + frame(NOT_A_NUMBER),
                # Oversized: a text over 1 MiB
                frame(self.changed(kind=READY, turn=0, text_bytes=2 << 20, text=b"\0\0" + bytes([65]) * (2 << 20) + b"\0")),
                frame(self.beat),  # replayed
            ]
            for first, array in [*self.updates[:1], *self.updates[-1:]]:  # of an earlier turn, and once more
                said.append(frame(first, more=True) + frame(array))
            self.up.sendall(b"".join(said))
        say("meddled")


def listen():
    """Two ports that are neighbours."""
    for _ in range(64):
        down = socket.create_server(("127.0.0.1", 0))
        try:
            return down, socket.create_server(("127.0.0.1", down.getsockname()[1] + 1))
        except OSError:
            down.close()
    sys.exit("no two ports")


def accept(server, address, carry):
    while True:
        peer = server.accept()[0]
        target = socket.create_connection(address)
        threading.Thread(target=carry, args=(peer, target), daemon=True).start()
        threading.Thread(target=pump, args=(target, peer), daemon=True).start()


def main(endpoint):
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    worker = Worker()
    down, up = listen()
    for server, offset, carry in (down, 0, pump), (up, 1, worker.carry):
        address = (host, int(port) + offset)
        threading.Thread(target=accept, args=(server, address, carry), daemon=True).start()
    say(f"listening tcp://127.0.0.1:{down.getsockname()[1]}")
    for line in sys.stdin:
        if line.strip() == "end":
            break
        worker.meddle()


main(*sys.argv[1:])
