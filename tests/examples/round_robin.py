#!/usr/bin/env python3
"""Tests of the example program tacet-round-robin, seen from outside: its exit status and its words.

usage: round_robin.py PROGRAM
"""
import subprocess
import sys

SWITCHERS = ["setjmp", "asm", "copying"]
BOARDS = {4: 2, 6: 4, 8: 92, 9: 352}


def run(*arguments):
    return subprocess.run([sys.argv[1], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=100)


def expect(condition, process):
    if not condition:
        sys.exit(f"not as expected: {process.args}\nstatus {process.returncode}\n{process.stdout}{process.stderr}")


def finds_all(switcher, queens, contexts, threads, *more):
    process = run("--switcher", switcher, "--queens", str(queens), "--contexts", str(contexts),
                  "--threads", str(threads), *more)
    words = (f"{BOARDS[queens]} boards of {queens} queens, found by {contexts} contexts on {threads} threads "
             f"({switcher}): right\n")
    expect(process.returncode == 0 and process.stdout == words, process)


def is_refused(words, *arguments):
    process = run(*arguments)
    expect(process.returncode == 2 and words in process.stderr and not process.stdout, process)


for switcher in SWITCHERS:
    for memory in [], ["--preallocated"]:
        finds_all(switcher, 8, 12, 2, *memory)
        finds_all(switcher, 9, 300, 3, *memory)
        finds_all(switcher, 6, 1, 1, *memory)
        finds_all(switcher, 4, 2, 5, *memory)

process = run("--help")
expect(process.returncode == 0 and "usage:" in process.stdout and not process.stderr, process)
process = run()
expect(process.returncode == 0 and process.stdout.startswith("92 boards of 8 queens"), process)
is_refused("there are setjmp, asm and copying", "--switcher", "none")
is_refused("a number from 1 to 64", "-t", "0")
is_refused("a number from 1 to 100000", "--contexts", "1x")
is_refused("needs a value", "--queens")
is_refused("no option --quick", "--quick")
is_refused("somewhere is no option", "somewhere")
