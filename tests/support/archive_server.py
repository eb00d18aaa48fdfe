#!/usr/bin/env python3
"""archive_server.py FILE PORT LOG [cut=N] [stall=N] [noranges]: serves one file over HTTP on loopback, as badly as asked.

Any path gets FILE, except /gone, which is 404. The port is written to PORT, a fifo, once the server listens.
  cut=N     each connection ends after N bytes of the body
  stall=N   each connection sends N bytes and then nothing, until the client leaves
  noranges  the header Range is ignored, as plain servers do
A line a request is appended to LOG: the path and the header Range. It ends when its standard input does.
"""
import http.server
import re
import sys
import threading

FILE, PORT, LOG = sys.argv[1:4]
FLAGS = dict((a.split("=") + ["yes"])[:2] for a in sys.argv[4:])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range", "-")
        with open(LOG, "a") as log:
            log.write(f"{self.path} {wanted}\n")
        if self.path == "/gone":
            self.send_error(404)
            return
        with open(FILE, "rb") as file:
            body = file.read()
        start = re.fullmatch(r"bytes=(\d+)-", wanted)
        first = int(start.group(1)) if start and "noranges" not in FLAGS else 0
        if first and first >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        limit = int(FLAGS.get("cut", FLAGS.get("stall", len(body))))
        self.wfile.write(body[first:first + limit])
        self.wfile.flush()
        if "stall" in FLAGS:
            self.connection.recv(1)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(PORT, "w") as out:
    print(server.server_port, file=out)
sys.stdin.read()
