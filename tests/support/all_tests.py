#!/usr/bin/env python3
"""all_tests.py [--whole] FOLDER PRESET…: makes FOLDER a tree of tests for ctest that holds those of all these presets.

One ctest for all builds keeps the machine busy to the end: while one build's cluster waits for its daemons, another is
compiled or its tests compute; and a lock that a test takes holds against the other builds' tests too. A test is named
after its build, "tsan/unit.gate", and has its preset's environment. What a preset leaves out is left out here, since it
is asked. Its first test, "tsan/build", compiles it, and without it none of the others is run.

--whole has what the presets leave out for time alone too, with limits that fit: all but the label "release", whose
tests are about another program than the build's.
"""
import json
import os
import re
import subprocess
import sys

SUBDIRS = re.compile(r'^subdirs\("(.+?)"\)$', re.MULTILINE)
WHOLE_PATIENCE = 6  # times a test's limit
ADD_TEST = re.compile(r"^add_test\(\[=\[(.+?)\]=\] (.*)\)$", re.MULTILINE)


def bracket(text):
    return f"[==[{text}]==]"


def value_text(value):
    if isinstance(value, list):
        return ";".join(str(item) for item in value)
    return str(value)


def preset_environment(preset):
    with open("CMakePresets.json") as file:
        presets = json.load(file)["testPresets"]
    for name, value in next(p for p in presets if p["name"] == preset).get("environment", {}).items():
        yield f"{name}={value.replace('${sourceDir}', os.getcwd())}"


def tests_of(preset, whole):
    chosen = ["--test-dir", os.path.join("build", preset), "-LE", "^release$"] if whole else ["--preset", preset]
    listed = subprocess.run(["ctest", *chosen, "--show-only=json-v1"], check=True, stdout=subprocess.PIPE)
    tests = json.loads(listed.stdout)["tests"]
    return tests or sys.exit(f"preset {preset} has no tests")


# What tests call, as CMake wrote it: ctest itself is silent about programs that are not compiled yet. A build's folder
# may hold other builds, so that only those it names are looked into.
def commands_of(folder):
    with open(os.path.join(folder, "CTestTestfile.cmake")) as file:
        text = file.read()
    commands = dict(ADD_TEST.findall(text))
    for inner in SUBDIRS.findall(text):
        commands.update(commands_of(os.path.join(folder, inner)))
    return commands


def describe(preset, test, command, environment, patience):
    properties = {item["name"]: item["value"] for item in test["properties"]}
    properties["TIMEOUT"] *= patience
    properties["ENVIRONMENT"] = properties.get("ENVIRONMENT", []) + environment
    for key in ("FIXTURES_SETUP", "FIXTURES_REQUIRED"):
        properties[key] = [f"{preset}/{fixture}" for fixture in properties.get(key, [])]
    properties["FIXTURES_REQUIRED"].append(f"{preset}/built")
    return lines_of(preset, test["name"], command, properties)


def lines_of(preset, name, command, properties):
    name = bracket(f"{preset}/{name}")
    yield f"add_test({name} {command})"
    words = (f"{key} {bracket(value_text(value))}" for key, value in properties.items() if value != [])
    yield f"set_tests_properties({name} PROPERTIES {' '.join(words)})"


def main(*arguments):
    whole = arguments[0] == "--whole"
    folder, *presets = arguments[whole:]
    lines = []
    for preset in presets:
        build = f"cmake --build {bracket(os.path.join('build', preset))}"
        properties = {"WORKING_DIRECTORY": os.getcwd(), "FIXTURES_SETUP": f"{preset}/built", "PROCESSORS": 3,
                      "COST": 1000, "TIMEOUT": 3600}
        lines += lines_of(preset, "build", build, properties)
        environment, commands = list(preset_environment(preset)), commands_of(os.path.join("build", preset))
        for test in tests_of(preset, whole):
            lines += describe(preset, test, commands[test["name"]], environment, WHOLE_PATIENCE if whole else 1)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "CTestTestfile.cmake"), "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
