#!/usr/bin/env python3
"""hostile.py ENDPOINT N: N connections to both ports of a coordinator at tcp://ADDRESS:PORT, each of which sends one of
several kinds of nonsense; some are closed at once, a hundred at a time are kept open. Exit status 1 when hardly any
got through, since then nothing was tried."""
import random
import socket
import sys

GREETING = bytes([0xFF]) + bytes(8) + bytes([0x7F, 3, 1]) + b"NULL" + bytes(16) + bytes(32)
READY = bytes([4, 25, 5]) + b"READY" + bytes([11]) + b"Socket-Type" + bytes([0, 0, 0, 4]) + b"PUSH"


def nonsense(dice):
    kind = dice.randrange(7)
    if kind == 0:
        return b""
    if kind == 1:
        return dice.randbytes(dice.randrange(1, 2000))
    if kind == 2:
        return GREETING[: dice.randrange(1, len(GREETING))]
    if kind == 3:
        return GREETING + dice.randbytes(200)
    if kind == 4:  # a frame that says it is as large as can be
        return GREETING + READY + bytes([2]) + bytes([0x7F]) + bytes([0xFF] * 7)
    if kind == 5:  # well framed, but no message of ours
        return GREETING + READY + bytes([0, 64]) + dice.randbytes(64)
    return b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main(endpoint, n):
    address, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    dice = random.Random(7)
    kept, n_through = [], 0
    for i in range(int(n)):
        try:
            peer = socket.create_connection((address, int(port) + i % 2), timeout=5)
            peer.sendall(nonsense(dice))
            n_through += 1
        except OSError:
            continue
        kept.append(peer)
        if len(kept) > 100:
            kept.pop(dice.randrange(len(kept))).close()
    print(f"{n_through} of {n} connections")
    return 0 if n_through > int(n) // 2 else 1


sys.exit(main(*sys.argv[1:]))
