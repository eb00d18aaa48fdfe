#!/usr/bin/env python3
"""accessibility.py PAGE: what a screen reader is told of an HTML page, as Chromium computes it, and what is wrong with it.

It reads the accessibility tree, not the markup: roles and names as assistive software gets them. Prints a line for each
fault and exits with 1 if there is one; prints how much of what it has seen otherwise. The page is a local file, Chromium
is spoken to through a pipe (its DevTools protocol), and ends with this program.
"""
import collections
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT_S = 60
NAMED = {"table", "image", "img", "graphics-document", "link", "button", "figure", "DisclosureTriangle", "navigation"}
FEW = {"main": 1, "navigation": 1}
LOADED_LANGUAGE = """new Promise(done => {
    const tell = () => done(document.documentElement.lang);
    document.readyState == 'complete' ? tell() : addEventListener('load', tell);
})"""


class Browser:
    """Chromium without a window; a context, after which it is gone."""

    def __init__(self, program):
        self.program, self.last, self.unread = program, 0, b""
        self.end = time.monotonic() + LIMIT_S

    def __enter__(self):
        self.folder = tempfile.mkdtemp()
        there, self.write_end = os.pipe()
        self.read_end, back = os.pipe()

        def connect():  # it takes messages from descriptor 3 and answers by 4; copies, should the ends be these already
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (there, back)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        arguments = [self.program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.folder}",
                     "--remote-debugging-pipe"]
        self.process = subprocess.Popen(arguments, preexec_fn=connect, pass_fds=(3, 4), stderr=subprocess.DEVNULL)
        os.close(there)
        os.close(back)
        return self

    def __exit__(self, *_):
        os.close(self.write_end)  # it ends when nobody speaks to it any more
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.read_end)
        shutil.rmtree(self.folder, ignore_errors=True)

    def message(self):
        while b"\0" not in self.unread:
            left = self.end - time.monotonic()
            if left <= 0 or not select.select([self.read_end], [], [], left)[0]:
                sys.exit(f"accessibility.py: the browser said nothing for {LIMIT_S} s")
            read = os.read(self.read_end, 1 << 20)
            if not read:
                sys.exit("accessibility.py: the browser is gone")
            self.unread += read
        text, self.unread = self.unread.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.last:
                if "error" in answer:
                    sys.exit(f"accessibility.py: {method}: {answer['error']['message']}")
                return answer["result"]

    def tree(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.navigate", session, url=url)  # answers when the page is there, if not all of it
        language = self.call("Runtime.evaluate", session, expression=LOADED_LANGUAGE, awaitPromise=True)
        nodes = self.call("Accessibility.getFullAXTree", session)["nodes"]
        return language["result"].get("value", ""), nodes


def text(node, key):
    return str(node.get(key, {}).get("value", "")).strip()


def properties(node):
    return {item["name"]: item["value"].get("value") for item in node.get("properties", [])}


def faults(language, tree):
    nodes = [node for node in tree if not node["ignored"]]
    roles = collections.Counter(text(node, "role") for node in nodes)
    if not language:
        yield "the page does not tell its language"
    if not any(text(node, "role") == "RootWebArea" and text(node, "name") for node in nodes):
        yield "the page has no title"
    for role, n in FEW.items():
        if roles[role] != n:
            yield f"{roles[role]} landmarks '{role}' in place of {n}"
    level = 0
    for node in nodes:
        role, name = text(node, "role"), text(node, "name")
        if role == "heading":
            before, level = level, int(properties(node)["level"])
            if level > before + 1:
                yield f"heading '{name}' is of level {level} after {before}"
            if not name:
                yield "a heading says nothing"
        if (role in NAMED or properties(node).get("focusable") and role != "RootWebArea") and not name:
            yield f"a {role} has no name: node {node.get('backendDOMNodeId')}"
    if [text(n, "role") == "heading" and properties(n)["level"] == 1 for n in nodes].count(True) != 1:
        yield "not one heading of the first level"
    yield from table_faults(tree)


def table_faults(nodes):
    by_id = {node["nodeId"]: node for node in nodes}

    def inside(node):
        for child in node.get("childIds", []):
            if child in by_id:
                yield by_id[child]
                yield from inside(by_id[child])

    for node in nodes:
        if text(node, "role") == "table" and not node["ignored"]:
            roles = collections.Counter(text(part, "role") for part in inside(node))
            for role in ("columnheader", "rowheader"):
                if not roles[role]:
                    yield f"table '{text(node, 'name')}' has no {role}"


def main(program, page):
    with Browser(program) as browser:
        language, nodes = browser.tree(pathlib.Path(page).resolve().as_uri())
    found = list(faults(language, nodes))
    for fault in found:
        print(fault)
    roles = collections.Counter(text(node, "role") for node in nodes if not node["ignored"])
    print(", ".join(f"{roles[role]} {role}" for role in sorted(roles) if role in NAMED | FEW.keys() | {"heading"}))
    sys.exit(bool(found))


if __name__ == "__main__":
    main("chromium", *sys.argv[1:])
