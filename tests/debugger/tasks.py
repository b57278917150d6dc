#!/usr/bin/env python3
"""The debugger's command `tacet tasks`, on a program that stops with suspended tasks of every kind.

usage: tasks.py PROGRAM SCRIPT   exit status 77 after a line `SKIP: why`
"""
import os
import re
import shutil
import subprocess
import sys

program, script = sys.argv[1:]


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def debug(*commands):
    arguments = ["gdb", "-batch", "-nx"] + [argument for command in commands for argument in ("-ex", command)]
    # The leak checker does not work under a debugger.
    environment = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
    return subprocess.run(arguments + [program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=environment, timeout=100).stdout


if shutil.which("gdb") is None:
    skip("there is no gdb")
if "works" not in debug("python print('works')"):
    skip("gdb has no Python")

said = debug("set width 0", f"source {script}", "break stopped_here", "run", "up", "tacet tasks", "frame", "continue",
             "tacet tasks")
if re.search(r"ptrace: .*not permitted|Could not trace the inferior", said):
    skip("processes may not be traced here")
print(said)

failures = []


def expect(what, found):
    if not found:
        failures.append(what)


def part_of(head):
    """What is listed below the task whose line contains head."""
    found = re.search(rf"^  task 0x[0-9a-f]+: [^\n]*{re.escape(head)}[^\n]*\n((?:    [^\n]*\n)*)", said, re.MULTILINE)
    return found.group(1) if found else ""


def names_of(part):
    return re.findall(r"^    #\d+ +0x[0-9a-f]+ (\S.*?)(?: at .*)?$", part, re.MULTILINE)


expect("an executor with seven tasks", re.search(r"^executor 0x[0-9a-f]+ of thread 1: 7 tasks$", said, re.MULTILINE))
for head in ('suspended, normal priority, asm "by-asm"', 'suspended, normal priority, setjmp "by-setjmp"',
             'suspended, normal priority, copying "copied"', 'suspended, normal priority, copying "in-place"'):
    names = names_of(part_of(head))
    own = [name for name in names if name in ("inner_function", "outer_function", "body_with_a_stack")]
    expect(f"the frames of {head}: {names}", own == ["inner_function", "outer_function", "body_with_a_stack"])
    expect(f"lines in {head}", "tasks.cpp:" in part_of(head))
expect("the body of the state machine",
       "body_of_a_machine" in part_of('suspended, normal priority, stackless "machine"'))
coroutines = names_of(part_of("suspended, normal priority, coroutine"))
expect(f"two coroutines: {coroutines}", [name.split("::")[-1] for name in coroutines] ==
       ["inner_coroutine", "outer_coroutine"])
expect("the running task", re.search(r'task 0x[0-9a-f]+: running, low priority, none "looking"$', said, re.MULTILINE))
expect("the frame that was selected before", len(re.findall(r"^#1 .*body_that_looks", said, re.MULTILINE)) == 2)
expect("a program that goes on unharmed", "6 of 6 tasks ended as expected" in said and "exited normally" in said)
expect("words where nothing runs", "the program is not running" in said)
for failure in failures:
    print(f"missing: {failure}")
sys.exit(1 if failures else 0)
