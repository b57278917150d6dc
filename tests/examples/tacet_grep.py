#!/usr/bin/env python3
"""Tests of the example program tacet-grep, seen from outside: its exit status and its words.

usage: tacet_grep.py PROGRAM
"""
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1])


def run(*arguments, cwd=None):
    return subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          errors="surrogateescape", timeout=100, cwd=cwd)


def expect(condition, process, why=""):
    if not condition:
        sys.exit(f"not as expected: {process.args} {why}\nstatus {process.returncode}\n{process.stdout}"
                 f"{process.stderr}")


def is_refused(words, *arguments):
    process = run(*arguments)
    expect(process.returncode == 2 and words in process.stderr and not process.stdout, process)


def make_tree(root):
    """Files of all sizes, in folders in folders; what is in them by their names."""
    chosen = random.Random(7)
    texts = {}
    for number in range(400):
        folder = root / f"d{number % 7}" / f"e{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [chosen.choice(["needle here", "hay", "", "two needle needle", "straw " * 30])
                 for _ in range(chosen.choice([0, 1, 3, 40, 3000]))]
        text = "\n".join(lines) + chosen.choice(["", "\n"])
        path = folder / f"f{number}"
        path.write_text(text)
        texts[str(path.relative_to(root))] = text
    (root / "link").symlink_to("d0")
    return texts


def lines_with(text, texts, numbered=False):
    for name, contents in texts.items():
        for number, line in enumerate(contents.split("\n"), 1):
            if text in line:
                yield f"{name}:{number}:{line}" if numbered else f"{name}:{line}"


def finds_what_is_there(root):
    texts = make_tree(root)
    folders = sorted({name.split("/")[0] for name in texts})
    for jobs in "1", "2", "7":
        process = run("-j", jobs, "-n", "needle", *folders, cwd=root)
        expected = list(lines_with("needle", texts, numbered=True))
        expect(process.returncode == 0 and not process.stderr, process)
        expect(sorted(process.stdout.splitlines()) == sorted(expected), process.args)
        for name in texts:  # the lines of a file are together, in their order
            own = [line for line in expected if line.startswith(name + ":")]
            expect(not own or "\n".join(own) + "\n" in process.stdout, process.args, name)
    process = run("straw", *folders, cwd=root)
    expect(sorted(process.stdout.splitlines()) == sorted(lines_with("straw", texts)), process.args)
    process = run("-l", "needle", *folders, cwd=root)
    expect(sorted(process.stdout.splitlines()) == sorted(n for n, t in texts.items() if "needle" in t), process.args)
    process = run("not there", ".", cwd=root)
    expect(process.returncode == 1 and not process.stdout and not process.stderr, process)


def says_what_is_wrong(root):
    (root / "text").write_text("needle\n")
    (root / "binary").write_bytes(b"\0needle\n")
    process = run("needle", "absent", "text", "binary", cwd=root)
    expect(process.returncode == 2 and "tacet-grep: absent: No such file" in process.stderr, process)
    expect(sorted(process.stdout.splitlines()) == ["binary: binary file matches", "text:needle"], process)
    with open("/dev/full", "w") as full:
        process = subprocess.run([PROGRAM, "needle", str(root / "text")], stdout=full, stderr=subprocess.PIPE,
                                 text=True, timeout=100)
    expect(process.returncode == 2 and "standard output: No space left" in process.stderr, process)


def is_stopped(root, number):
    """While it waits for what will never come."""
    os.mkfifo(root / "fifo")
    (root / "text").write_text("needle\n")
    with subprocess.Popen([PROGRAM, "needle", "text", "fifo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, cwd=root) as process:
        first = process.stdout.readline()
        process.send_signal(number)
        out, errors = process.communicate(timeout=100)
    words = f"tacet-grep: stopped by {signal.Signals(number).name}\n"
    if (first, out, errors, process.returncode) != ("text:needle\n", "", words, 128 + number):
        sys.exit(f"not stopped as expected: {first!r} {out!r} {errors!r} {process.returncode}")


def in_place(check, *arguments):
    with tempfile.TemporaryDirectory() as root:
        check(pathlib.Path(root), *arguments)


in_place(finds_what_is_there)
in_place(says_what_is_wrong)
in_place(is_stopped, signal.SIGINT)
in_place(is_stopped, signal.SIGTERM)
process = run("--help")
expect(process.returncode == 0 and process.stdout.startswith("usage:") and not process.stderr, process)
process = run("--version")
expect(process.returncode == 0 and process.stdout.startswith("tacet-grep (tacet) "), process)
is_refused("TEXT and PATH are missing")
is_refused("PATH is missing", "needle")
is_refused("not empty", "", ".")
is_refused("a number from 1 to 256", "-j", "0", "needle", ".")
is_refused("needs a value", "-j")
is_refused("no option", "-z", "needle", ".")
