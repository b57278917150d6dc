#!/usr/bin/env python3
"""Adds up what `meson test` logged, says what was skipped and what failed, and ends with one line:

    N passed, N failed, N skipped

usage: summary.py CONFIGURATION=TESTLOG.json...
A Catch2 program counts by its test cases, any other test as one. A configuration without a log counts as one failure:
it did not build. Exit status 1 where anything failed or nothing passed.
"""
import json
import pathlib
import re
import sys

ALL_PASSED = re.compile(r"^All tests passed \(.* in (\d+) test cases?\)$", re.MULTILINE)
CASES = re.compile(r"^test cases: +\d+ \|(.*)$", re.MULTILINE)
HEADING = re.compile(r"^-{79}\n(.*)\n(?:  .*\n)*-{79}\n", re.MULTILINE)
SKIPPED = re.compile(r": SKIPPED:\n(?:explicitly with message:\n((?:  .*\n)+))?")
SKIP_LINE = re.compile(r"^SKIP: *(.*)$", re.MULTILINE)
GOOD = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def catch2_counts(output):
    """Test cases by outcome, or None where no Catch2 summary is found."""
    if found := ALL_PASSED.search(output):
        return {"passed": int(found[1])}
    if not (found := CASES.search(output)):
        return None
    counts = {}
    for part in found[1].split("|"):
        number, outcome = part.strip().split(maxsplit=1)
        outcome = "passed" if outcome == "failed as expected" else outcome
        counts[outcome] = counts.get(outcome, 0) + int(number)
    return counts


def count(test, output):
    outcome = GOOD.get(test["result"], "failed")
    counts = catch2_counts(output)
    if counts is None:
        return {outcome: 1}
    if outcome == "failed" and not counts.get("failed"):
        counts["failed"] = 1  # all cases passed, and then it leaked, crashed or ran out of time
    return counts


def skip_reasons(output):
    headings = list(HEADING.finditer(output))
    for skip in SKIPPED.finditer(output):
        title = next((h[1] for h in reversed(headings) if h.end() <= skip.start()), "")
        yield f"{title}: {' '.join((skip[1] or 'no reason given').split())}"
    for line in SKIP_LINE.finditer(output):
        yield line[1]


def main(arguments):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for argument in arguments:
        configuration, _, log = argument.partition("=")
        if not pathlib.Path(log).exists():
            print(f"failed:  {configuration}: no tests were run")
            totals["failed"] += 1
            continue
        for test in map(json.loads, pathlib.Path(log).read_text().splitlines()):
            output = test.get("stdout", "") + test.get("stderr", "")
            for outcome, number in count(test, output).items():
                totals[outcome] += number
            for reason in skip_reasons(output):
                print(f"skipped: {configuration}: {test['name']}: {reason}")
            if test["result"] not in GOOD:
                print(f"failed:  {configuration}: {test['name']} ({test['result'].lower()})")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
    return 1 if totals["failed"] or not totals["passed"] else 0


sys.exit(main(sys.argv[1:]))
