#!/usr/bin/env python3
"""Runs a command in a folder, both from the JSON object on standard input, and reads what its tests said.

Everything that the command prints goes to stderr as it comes; stdout is the summary alone.
"""

import json
import os
import re
import subprocess
import sys
import time

# How test runners say what came of it: the whole, and one failure each.
PASSED = [
    re.compile(r"test result: \w+\. (\d+) passed"),  # cargo
    re.compile(r"=.* (\d+) passed"),  # pytest
    re.compile(r"^# pass (\d+)|^ℹ pass (\d+)"),  # node --test
    re.compile(r"Tests:.* (\d+) passed"),  # jest
]
FAILED = [
    re.compile(r"test result: \w+\. \d+ passed; (\d+) failed"),
    re.compile(r"=.* (\d+) failed"),
    re.compile(r"^# fail (\d+)|^ℹ fail (\d+)"),
    re.compile(r"Tests:.* (\d+) failed"),
]
FAILURE = [
    re.compile(r"^test (\S+) \.\.\. FAILED"),
    re.compile(r"^FAILED (\S+)"),
    re.compile(r"^not ok \d+ - (.+)"),
    re.compile(r"^--- FAIL: (\S+)"),  # go
]
FAILURES_KEPT = 50


def main():
    asked = json.load(sys.stdin)
    began = time.monotonic()
    passed, failed, failures = None, None, []
    with subprocess.Popen(
        [str(word) for word in asked["command"]],
        cwd=asked["folder"],
        env=os.environ | {k: str(v) for k, v in asked.get("variables", {}).items()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as run:
        for line in run.stdout:
            sys.stderr.write(line)
            sys.stderr.flush()
            passed = add(passed, number(PASSED, line))
            failed = add(failed, number(FAILED, line))
            found = next((m for p in FAILURE if (m := p.search(line))), None)
            if found and len(failures) < FAILURES_KEPT:
                failures.append(found[1].strip())
    summary = {"status": run.returncode, "seconds": round(time.monotonic() - began, 3), "failures": failures}
    if passed is not None:
        summary["passed"] = passed
    if failed is not None:
        summary["failed"] = failed
    json.dump(summary, sys.stdout)
    # Tests that fail are a result; a command that cannot run is a failure.
    return 0


def number(patterns, line):
    found = next((m for p in patterns if (m := p.search(line))), None)
    return found and int(next(g for g in found.groups() if g))


def add(sum, more):
    return sum if more is None else (sum or 0) + more


if __name__ == "__main__":
    sys.exit(main())
