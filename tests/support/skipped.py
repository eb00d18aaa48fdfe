#!/usr/bin/env python3
"""skipped.py REPORT: names the tests that ctest's JUnit report has as skipped.

Also looks inside the output of tests that passed, since cmocka can skip one function of many. With CI set, each
must match a line of may_skip.txt beside this script (NAME REASON…; a NAME may hold wildcards, and has no build in
front of it), else the exit status is 1: a test that nobody runs is worse than none.
"""
import fnmatch
import os
import re
import sys
import xml.etree.ElementTree as tree

# A function that was skipped, with the line it printed before, which says why; cmocka names it once more at the end.
CMOCKA_SKIP = re.compile(r"^(.*)\n\[  SKIPPED \] (?!\d+ test)(\w+)", re.MULTILINE)


def skipped_tests(report):
    for case in tree.parse(report).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        if case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None:
            lines = [line for line in output.strip().splitlines() if line.strip()]
            yield case.get("name"), lines[-1] if lines else "not run"
        reasons = {}
        for line, function in CMOCKA_SKIP.findall(output):
            reasons.setdefault(function, "skipped itself" if line.startswith("[") else line)
        for function, reason in sorted(reasons.items()):
            yield f"{case.get('name')}:{function}", reason


def main(report):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "may_skip.txt")) as lines:
        allowed = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    n_faults = 0
    for name, reason in skipped_tests(report):
        is_fault = bool(os.environ.get("CI")) and not any(fnmatch.fnmatch(name.split("/")[-1], a) for a in allowed)
        n_faults += is_fault
        print(f"{'error: ' if is_fault else ''}skipped: {name}: {reason}")
    if n_faults:
        print(f"{n_faults} skipped that CI must run (see tests/support/may_skip.txt)")
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
