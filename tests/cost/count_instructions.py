#!/usr/bin/env python3
"""What a coroutine's suspended no-op costs more than the same no-op of a C state machine, in instructions.

usage: count_instructions.py PROGRAM

Runs PROGRAM (nops) under callgrind at two lengths; their difference, divided by the operations between them, is what one
operation takes, start-up cancelled out. The same is done with allocations. The C state machine is written twice: with
the public calls, and with the inlined functions that the C++ layer stands on. The coroutine is compared with the
cheaper of the two. Exit status 77: nothing to count with.
"""
import re
import shutil
import subprocess
import sys

ROUNDS = (100, 1100)
KINDS = ("stackless", "inlined", "coroutine")
EXTRA_MAX = {"gcc": 24, "clang": 16}
SKIPPED = 77


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(SKIPPED)


def run(program, kind, rounds):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, kind, str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == SKIPPED:
        print(done.stdout, end="")
        sys.exit(SKIPPED)
    said = re.search(r"compiler (\w+) operations (\d+) allocations (\d+)", done.stdout)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not said or not counted:
        sys.exit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return said[1], int(said[2]), int(said[3]), int(counted[1])


def per_operation(program, kind):
    """(compiler, instructions, allocations) of one operation."""
    compiler, short_operations, short_allocations, short_instructions = run(program, kind, ROUNDS[0])
    _, operations, allocations, instructions = run(program, kind, ROUNDS[1])
    between = operations - short_operations
    if between != (ROUNDS[1] - ROUNDS[0]) * 64:
        sys.exit(f"{kind}: {between} operations between the two lengths")
    return compiler, (instructions - short_instructions) / between, (allocations - short_allocations) / between


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    if shutil.which("valgrind") is None:
        skip("valgrind is not installed")
    counts = {}
    for kind in KINDS:
        compiler, instructions, allocations = per_operation(arguments[0], kind)
        counts[kind] = (instructions, allocations)
        print(f"{kind:10} {instructions:8.2f} instructions, {allocations:g} allocations an operation")
    if compiler not in EXTRA_MAX:
        skip("not an optimised build")
    extra = counts["coroutine"][0] - min(counts["stackless"][0], counts["inlined"][0])
    print(f"a coroutine costs {extra:.2f} instructions more; {EXTRA_MAX[compiler]} are allowed with {compiler}")
    allocating = [kind for kind, (_, allocations) in counts.items() if allocations != 0]
    if allocating:
        print(f"the hot path allocates: {', '.join(allocating)}")
    return 0 if extra <= EXTRA_MAX[compiler] and not allocating else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
