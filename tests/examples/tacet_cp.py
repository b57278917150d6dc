#!/usr/bin/env python3
"""Tests of the example program tacet-cp, seen from outside: its exit status, its words, and what lies on the disk.

usage: tacet_cp.py PROGRAM CASE   runs one case; exit status 77 after a line `SKIP: why`
       tacet_cp.py --list         prints the cases, one a line

A case is a function below whose name begins with `case_`. It gets a `Place`: an empty directory, and the program.
"""
import contextlib
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

NOBODY = 65534
TEMPORARY = ".tacet-cp-"  # what temporary names begin with
RANDOM = bytes((i * i * 31 + i // 251) % 256 for i in range(1 << 16))


class Skip(Exception):
    pass


class Place:
    """A directory for one case, and the ways to run the program in it."""

    def __init__(self, program, root):
        self.program, self.root = program, pathlib.Path(root)

    def __truediv__(self, name):
        return self.root / name

    def run(self, *arguments, **options):
        """Relative names refer to the place. Returns the finished process, output as text."""
        return subprocess.run([self.program, *arguments], cwd=self.root, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", errors="backslashreplace", **options)

    def run_as_user(self, *arguments):
        """As an ordinary user: as nobody where we are root, who then owns the place."""
        if os.geteuid() != 0:
            return self.run(*arguments)
        copy = self / "program-for-nobody"
        if not copy.exists():
            shutil.copy(self.program, copy)
        elsewhere = Place(copy, self.root)
        return elsewhere.run(*arguments, user=NOBODY, group=NOBODY, extra_groups=[])

    def give_to_user(self):
        if os.geteuid() != 0:
            return
        os.chown(self.root, NOBODY, NOBODY)
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                os.chown(os.path.join(folder, name), NOBODY, NOBODY, follow_symlinks=False)


def expect(condition, words):
    if not condition:
        raise AssertionError(words)


def expect_status(process, status):
    expect(process.returncode == status, f"exit status {process.returncode}, not {status}\n"
           f"stdout: {process.stdout}\nstderr: {process.stderr}")


def expect_message(process, *parts):
    """A line on standard error holds all the parts and begins with the program's name."""
    lines = process.stderr.replace("\033[K", "").splitlines()
    found = any(line.startswith("tacet-cp: ") and all(part in line for part in parts) for line in lines)
    expect(found, f"no message with {parts} in: {process.stderr}")


def write(path, contents=b"x", mode=0o644, mtime_ns=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    path.chmod(mode)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns - 10**9, mtime_ns))


def names_below(root):
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            yield os.path.relpath(os.path.join(folder, name), os.fsencode(root))


def difference(one, other, with_times=True):
    """The first thing in which two paths differ, in words; None where there is none."""
    if not os.path.lexists(other):
        return "is missing"
    a, b = os.lstat(one), os.lstat(other)
    if a.st_mode != b.st_mode:
        return f"mode {oct(a.st_mode)} became {oct(b.st_mode)}"
    if with_times and a.st_mtime_ns != b.st_mtime_ns:
        return f"time {a.st_mtime_ns} became {b.st_mtime_ns}"
    if stat.S_ISLNK(a.st_mode) and os.readlink(one) != os.readlink(other):
        return "leads elsewhere"
    if stat.S_ISREG(a.st_mode) and pathlib.Path(os.fsdecode(one)).read_bytes() != \
            pathlib.Path(os.fsdecode(other)).read_bytes():
        return "contents differ"
    if os.geteuid() == 0 and (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid):
        return f"owner {a.st_uid}:{a.st_gid} became {b.st_uid}:{b.st_gid}"
    return None


def expect_same(source, target, with_times=True):
    source, target = os.fsencode(source), os.fsencode(target)
    names = sorted(names_below(source))
    extra = set(names_below(target)) - set(names)
    expect(not extra, f"{target} has too much: {sorted(extra)[:5]}")
    for name in [b"."] + names:
        found = difference(os.path.join(source, name), os.path.join(target, name), with_times)
        expect(found is None, f"{os.path.join(target, name)}: {found}")


def make_nasty_tree(root):
    """Modes, times, links, holes, sizes around the buffers', and names that a shell would choke on."""
    for size in (0, 1, 4095, 4096, 65535, 65536, 65537, (1 << 20) - 1, 1 << 20, (3 << 20) + 17):
        write(root / "sizes" / f"{size}", (RANDOM * (size // len(RANDOM) + 1))[:size], mtime_ns=1_234_567_890_123_456_789)
    unreadable = (0o000,) if os.geteuid() == 0 else ()  # which root reads all the same
    for mode in unreadable + (0o400, 0o644, 0o755, 0o1777, 0o2755, 0o4755, 0o6711):
        write(root / "modes" / f"{mode:04o}", b"mode", mode, mtime_ns=1)
    for name in ("new\nline", "-j", "--verify", " ", "quote\"'\\", "tab\tbell\a", "*", "~", "n" * 255, ".hidden", "ü"):
        write(root / "names" / name)
    with open(os.path.join(os.fsencode(root / "names"), b"not-utf8-\xff\xc0\x80"), "wb") as file:
        file.write(b"bytes")
    (root / "empty").mkdir()
    (root / "links").mkdir()
    for name, target in {"relative": "../sizes/1", "absolute": "/", "dangling": "no such\nthing", "loop": "loop",
                         "folder": "../empty", "long": "l" * 4000}.items():
        os.symlink(target, root / "links" / name)
        os.utime(root / "links" / name, ns=(5, 6), follow_symlinks=False)
    os.mkfifo(root / "fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    make_sparse_files(root / "sparse")
    (root / "read-only").mkdir()
    write(root / "read-only" / "file", b"in a folder that may not be written", 0o444)
    (root / "read-only").chmod(0o555)
    for folder in (root / "read-only", root / "empty", root):
        os.utime(folder, ns=(2_000_000_000, 1_000_000_001))


def make_sparse_files(root):
    root.mkdir()
    for name, pieces, size in (("all-hole", [], 8 << 20), ("head", [0], 8 << 20), ("tail", [(8 << 20) - 4096], 8 << 20),
                               ("stripes", range(0, 16 << 20, 1 << 19), 16 << 20), ("short", [], 40_000)):
        with open(root / name, "wb") as file:
            for offset in pieces:
                file.seek(offset)
                file.write(RANDOM[:4096])
            file.truncate(size)


def make_flat_tree(root, files, bytes_each=3000, folders=10):
    for i in range(files):
        write(root / f"d{i % folders}" / f"f{i}", RANDOM[i % 1000:][:bytes_each])


# ---- What it copies ----

def case_copies_a_nasty_tree(place):
    make_nasty_tree(place / "source")
    process = place.run("--verify", "source", "target")
    expect_status(process, 0)
    expect(process.stderr == "", f"said: {process.stderr}")
    expect_same(place / "source", place / "target")


def case_copies_a_nasty_tree_under_temporary_names(place):
    make_nasty_tree(place / "source")
    expect_status(place.run("--no-tmpfile", "--verify", "source", "target"), 0)
    expect_same(place / "source", place / "target")


def case_copies_one_and_many_at_once(place):
    make_nasty_tree(place / "source")
    make_flat_tree(place / "source" / "flat", 1500)
    for jobs in ("1", "2", "512", "4096"):
        expect_status(place.run("-q", "--verify", "-j", jobs, "source", f"target-{jobs}"), 0)
        expect_same(place / "source", place / f"target-{jobs}")


def case_copies_a_tree_deeper_than_a_path_may_be(place):
    os.mkdir(place / "source")
    folder = os.open(place / "source", os.O_RDONLY)
    for depth in range(300):
        name = f"{depth:03}-{'d' * 20}"
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    with open(os.open("bottom", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder), "wb") as file:
        file.write(b"deep down")
    os.close(folder)
    expect_status(place.run("--verify", "source", "target"), 0)
    process = place.run("--verify", "source", "target")  # and over what is there
    expect_status(process, 0)
    expect("301 directories" in process.stdout and "1 file," in process.stdout, process.stdout)


def case_keeps_holes(place):
    make_sparse_files(place / "source")
    expect_status(place.run("source", "target"), 0)
    expect_same(place / "source", place / "target")
    for file in (place / "source").iterdir():
        here, there = file.stat().st_blocks, (place / "target" / file.name).stat().st_blocks
        expect(there <= here, f"{file.name}: {there} blocks, its source has {here}")


def case_keeps_times_of_access(place):
    write(place / "source", b"x", mtime_ns=1_600_000_000_123_456_789)
    before = (place / "source").stat()
    expect_status(place.run("source", "target"), 0)
    after = (place / "target").stat()
    expect((before.st_atime_ns, before.st_mtime_ns) == (after.st_atime_ns, after.st_mtime_ns), "times differ")


def case_recreates_devices_and_owners_as_root(place):
    if os.geteuid() != 0:
        raise Skip("only root may make devices and give files away")
    (place / "source").mkdir()
    try:
        os.mknod(place / "source" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        raise Skip("this root may not make devices") from None
    write(place / "source" / "theirs", b"x", 0o644)
    os.chown(place / "source" / "theirs", 1234, 5678)
    os.chmod(place / "source" / "theirs", 0o6755)
    os.symlink("theirs", place / "source" / "link")
    os.chown(place / "source" / "link", 1, 2, follow_symlinks=False)
    os.chown(place / "source", 4321, 8765)
    expect_status(place.run("--verify", "source", "target"), 0)
    expect_same(place / "source", place / "target")
    expect((place / "target" / "null").stat().st_rdev == os.makedev(1, 3), "another device")


def case_keeps_groups_where_folders_hand_theirs_down(place):
    if os.geteuid() != 0:
        raise Skip("only root may give files to any group")
    (place / "target").mkdir()
    os.chown(place / "target", 0, 4242)
    (place / "target").chmod(0o2755)
    make_flat_tree(place / "source", 20)
    expect_status(place.run("--verify", "source", "target"), 0)
    expect_same(place / "source", place / "target" / "source")


def case_copies_what_grows_and_what_has_no_size(place):
    """Files in /proc say that they are empty."""
    expect_status(place.run("/proc/self/limits", "limits"), 0)
    expect("Max open files" in (place / "limits").read_text(), "nothing was read")


# ---- Where it copies to ----

def case_finds_its_target_like_cp(place):
    write(place / "file", b"1")
    write(place / "folder" / "inner", b"2")
    (place / "there").mkdir()
    for arguments, made in ((("file", "there"), "there/file"), (("file", "new"), "new"), (("folder", "there"), "there/folder/inner"),
                            (("folder", "made"), "made/inner"), (("folder/", "made2/"), "made2/inner"),
                            (("folder/.", "there"), "there/inner"), (("./folder/inner", "file", "there/"), "there/inner"),
                            (("--", "file", "-dash"), "-dash"), ((place / "file", place / "absolute"), "absolute")):
        process = place.run(*arguments)
        expect_status(process, 0)
        expect((place / made).exists(), f"{arguments}: {made} is not there")


def case_replaces_existing_files_as_a_whole(place):
    make_flat_tree(place / "source", 50)
    os.symlink("elsewhere", place / "source" / "link")
    expect_status(place.run("source", "target"), 0)
    (place / "target" / "link").unlink()
    write(place / "target" / "link", b"was a file")
    old = place / "target" / "d0" / "f0"
    old.write_bytes(b"old contents, longer than the new ones" * 1000)
    with open(old, "rb") as still_open:
        for option in ("--verify", "--no-tmpfile"):
            expect_status(place.run(option, "source/.", "target"), 0)
        expect(still_open.read().startswith(b"old contents"), "the old file was written into")
    expect_same(place / "source", place / "target")


def case_replaces_a_link_not_what_it_leads_to(place):
    write(place / "precious", b"precious")
    write(place / "file", b"new")
    (place / "there").mkdir()
    os.symlink("../precious", place / "there" / "file")
    expect_status(place.run("file", "there"), 0)
    expect((place / "precious").read_bytes() == b"precious", "the link was followed")
    expect((place / "there" / "file").read_bytes() == b"new", "not replaced")


def case_refuses_to_copy_into_itself(place):
    write(place / "a" / "b" / "file")
    os.symlink("a", place / "link")
    before = sorted(names_below(place.root))
    for source, target in (("a", "a"), ("a", "a/b"), ("a", "a/new"), ("a", "a/b/new"), ("a/b", "a"), ("a/.", "a"),
                           ("a", "link/b"), (".", "a"), ("a/b/file", "a/b/file"), ("a/b/file", "a/b"), ("a", "./a/../a/b")):
        process = place.run(source, target)
        expect_status(process, 1)
        expect_message(process, source, "itself" if source != "a/b/file" else "same file")
    expect(sorted(names_below(place.root)) == before, "something was made")


def case_refuses_folders_over_files_and_files_over_folders(place):
    write(place / "source" / "x" / "inner")
    write(place / "source" / "y")
    write(place / "source" / "z")
    write(place / "target" / "x")
    (place / "target" / "y").mkdir()
    process = place.run("source/.", "target")
    expect_status(process, 1)
    expect_message(process, '"target/x"', "Not a directory")
    expect_message(process, '"target/y"', "Is a directory")
    expect((place / "target" / "z").exists(), "the rest did not go on")
    expect_message(place.run("source", "target/x"), '"target/x"', "Not a directory")


def case_needs_a_folder_for_several_sources(place):
    write(place / "a")
    write(place / "b")
    for target in ("b", "missing"):
        process = place.run("a", "a", target)
        expect_status(process, 1)
        expect_message(process, f'"{target}"')
    process = place.run("a", "missing/")
    expect_status(process, 1)
    expect_message(process, '"missing/"', "Not a directory")
    expect(not (place / "missing").exists(), "it was made")


# ---- What goes wrong ----

def case_goes_on_after_a_source_that_is_missing(place):
    write(place / "file")
    (place / "there").mkdir()
    process = place.run("file", "no\nsuch", "there")
    expect_status(process, 1)
    expect_message(process, '"no\\nsuch"', "No such file or directory")
    expect((place / "there" / "file").exists(), "the rest did not go on")
    expect(", 1 error" in process.stdout, "the error was not counted")


def case_says_which_source_is_unreadable(place):
    make_flat_tree(place / "source", 30)
    (place / "source" / "d3" / "f3").chmod(0)
    (place / "source" / "closed").mkdir()
    write(place / "source" / "closed" / "file")
    place.give_to_user()
    (place / "source" / "closed").chmod(0)
    process = place.run_as_user("source", "target")
    expect_status(process, 1)
    expect_message(process, 'open "source/d3/f3": Permission denied')
    expect_message(process, 'open "source/closed": Permission denied')
    expect(len(process.stderr.splitlines()) == 2, process.stderr)
    expect((place / "target" / "d2" / "f2").exists(), "the rest did not go on")
    expect(not (place / "target" / "d3" / "f3").exists(), "something was made of it")
    (place / "source" / "closed").chmod(0o755)


def case_copies_read_only_folders_as_an_ordinary_user(place):
    make_nasty_tree(place / "source")
    (place / "source" / "modes" / "0000").unlink(missing_ok=True)
    place.give_to_user()
    for folder in ("read-only", "links"):
        (place / "source" / folder).chmod(0o555)
    expect_status(place.run_as_user("--verify", "source", "target"), 0)
    expect_same(place / "source", place / "target")


def case_drops_the_special_bits_with_the_owner(place):
    """A set-user-id program of root must not become one of the user who copies it."""
    if os.geteuid() != 0:
        raise Skip("needs a file of another user")
    write(place / "source" / "program", b"#!", 0o6755)
    os.chown(place.root, NOBODY, NOBODY)
    expect_status(place.run_as_user("source", "target"), 0)
    mode = (place / "target" / "program").stat().st_mode
    expect(stat.S_IMODE(mode) == 0o755, f"mode {oct(mode)}")


@contextlib.contextmanager
def small_disk(path, size):
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tacet-test", path], stderr=subprocess.PIPE,
                          encoding="utf-8")
    if made.returncode != 0:
        raise Skip(f"no small disk: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def case_says_that_the_disk_is_full(place):
    make_flat_tree(place / "source", 40, 10_000)
    write(place / "source" / "large", RANDOM * 64)
    for option in ("--progress", "--no-tmpfile"):
        with small_disk(place / "disk", "1m"):
            process = place.run(option, "source", "disk/target")
            expect_status(process, 1)
            expect_message(process, '"disk/target/large": No space left on device')
            for name in names_below(place / "disk/target"):
                path = os.path.join(os.fsencode(place / "disk/target"), name)
                expect(TEMPORARY.encode() not in name, f"{name} was left behind")
                expect(os.path.isdir(path) or difference(os.path.join(os.fsencode(place / "source"), name), path) is None,
                       f"{name} is not whole")
        (place / "disk").rmdir()


def case_makes_do_with_few_descriptors(place):
    make_flat_tree(place / "source", 400, folders=40)
    write(place / "source" / "1" / "2" / "3" / "4" / "5" / "file")
    process = place.run("-j", "512", "--verify", "source", "target",
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    expect_status(process, 0)
    expect_same(place / "source", place / "target")


def case_says_how_it_is_used(place):
    write(place / "a")
    for arguments in ((), ("a",), ("-j", "0", "a", "b"), ("-j", "x", "a", "b"), ("-j", "4097", "a", "b"), ("-j",),
                      ("--nonsense", "a", "b"), ("a", ""), ("-z", "a", "b")):
        process = place.run(*arguments)
        expect_status(process, 2)
        expect_message(process)
    expect(not (place / "b").exists(), "it copied")
    help = place.run("--help")
    expect_status(help, 0)
    expect(help.stdout.startswith("usage: tacet-cp "), help.stdout)
    expect(re.fullmatch(r"tacet-cp \(tacet\) \d+\.\d+\.\d+\n", place.run("--version").stdout), "no version")
    quiet = place.run("-q", "a", "b")
    expect((quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", ""), "it is not quiet")


# ---- Verification ----

def corrupt_contents(path):
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def corrupt_size(path):
    path.write_bytes(path.read_bytes() + b"!")


def corrupt_link(path):
    path.unlink()
    os.symlink("nowhere", path)
    os.utime(path, ns=(5, 6), follow_symlinks=False)


def case_verification_finds_what_differs(place):
    make_nasty_tree(place / "source")
    expect_status(place.run("-q", "source", "target"), 0)
    expect_status(place.run("--verify-only", "source/.", "target"), 0)
    for name, corrupt, word in (("sizes/1048576", corrupt_contents, "byte"), ("sizes/4096", corrupt_contents, "byte"),
                                ("sizes/65537", corrupt_size, "byte 65537"), ("links/dangling", corrupt_link, "link"),
                                ("modes/0755", lambda path: path.chmod(0o711), "mode"),
                                ("modes/0644", lambda path: os.utime(path, ns=(1, 2)), "time"),
                                ("fifo", lambda path: (path.unlink(), path.mkdir()), "type"),
                                ("empty", lambda path: path.rmdir(), "No such file or directory")):
        path = place / "target" / name
        before = path.lstat()
        corrupt(path)
        if path.is_file() and word != "time":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        process = place.run("--verify-only", "source/.", "target")
        expect_status(process, 1)
        expect_message(process, f'"target/{name}"', word)
        expect_status(place.run("-q", f"source/{name}", f"again-{path.name}"), 0)
        if path.is_dir():
            path.rmdir()
        elif path.exists() or path.is_symlink():
            path.unlink()
        (place / f"again-{path.name}").rename(path)
        os.utime(path.parent, ns=((place / "source" / name).parent.stat().st_atime_ns,
                                  (place / "source" / name).parent.stat().st_mtime_ns))
    expect_status(place.run("--verify-only", "source/.", "target"), 0)


# ---- Signals and the progress line ----

def interrupted(place, number, *options):
    """Runs until a signal has come in the middle of the work: on a machine that is too fast, with more work."""
    folders = 1
    for _ in range(8):
        for i in range(folders):
            make_flat_tree(place / "source" / f"part{i}", 300, folders=3)
            write(place / "source" / f"part{i}" / "large", RANDOM * 256)
        shutil.rmtree(place / "target", ignore_errors=True)
        process = subprocess.Popen([place.program, *options, "source", "target"], cwd=place.root, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, encoding="utf-8")
        while process.poll() is None and not any(os.path.isfile(os.path.join(os.fsencode(place / "target"), name))
                                                 for name in names_below(place / "target")):
            pass
        process.send_signal(number)
        out, err = process.communicate()
        if process.returncode != 0:
            return subprocess.CompletedProcess([], process.returncode, out, err)
        folders *= 2
    raise AssertionError("it never was caught in the middle")


def expect_no_debris(place):
    for name in names_below(place / "target"):
        path = os.path.join(os.fsencode(place / "target"), name)
        expect(TEMPORARY.encode() not in name, f"{name} was left behind")
        found = None if os.path.isdir(path) else difference(os.path.join(os.fsencode(place / "source"), name), path)
        expect(found is None, f"{name}: {found}")


def case_ctrl_c_leaves_only_whole_files(place):
    for options in ((), ("-j", "1"), ("--no-tmpfile", "--progress"), ("-q",)):
        process = interrupted(place, signal.SIGINT, *options)
        expect_status(process, 130)
        expect_message(process, "SIGINT", "files")
        expect_no_debris(place)


def case_sigterm_leaves_only_whole_files(place):
    process = interrupted(place, signal.SIGTERM, "--no-tmpfile")
    expect_status(process, 143)
    expect_message(process, "SIGTERM", "files")
    expect_no_debris(place)
    expect_status(place.run("--verify", "source/.", "target"), 0)  # what is missing comes when it is called again
    expect_same(place / "source", place / "target")


def case_a_kill_leaves_only_whole_files_too(place):
    expect_status(interrupted(place, signal.SIGKILL), -signal.SIGKILL)
    expect_no_debris(place)


def read_terminal(terminal):
    """All that comes until the other side is closed."""
    text = b""
    while True:
        select.select([terminal], [], [])
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO: nobody has it open any more
            piece = b""
        if not piece:
            return text.decode(errors="backslashreplace")
        text += piece


def case_shows_progress_on_a_terminal(place):
    make_flat_tree(place / "source", 200)
    (place / "source" / "d1" / "f1").unlink()
    os.symlink("x", place / "source" / "d1" / "f1")
    terminal, other_side = pty.openpty()
    process = subprocess.Popen([place.program, "source", "target"], cwd=place.root, stdout=subprocess.PIPE,
                               stderr=other_side, encoding="utf-8")
    os.close(other_side)
    shown = read_terminal(terminal)
    os.close(terminal)
    out, _ = process.communicate()
    expect(process.returncode == 0, shown)
    expect(re.search(r"\r *[\d,]+ (of [\d,]+ )?files", shown), f"no progress: {shown!r}")
    expect(shown.endswith("\r\033[K"), f"the line was not erased: {shown!r}")
    expect("\n" not in shown, f"it is not one line: {shown!r}")
    expect("199 files" in out and "1 symbolic link" in out, out)


def case_shows_no_progress_elsewhere(place):
    make_flat_tree(place / "source", 20)
    process = place.run("source", "target")
    expect_status(process, 0)
    expect(process.stderr == "", process.stderr)
    expect("20 files, 11 directories" in process.stdout, process.stdout)


CASES = {name.removeprefix("case_"): function for name, function in list(globals().items()) if name.startswith("case_")}


def remove(root):
    """By tools that know how to go deeper than a path may be. Some cases leave folders that may not be written."""
    subprocess.run(["chmod", "-R", "u+rwx", root], check=True)
    subprocess.run(["rm", "-rf", root], check=True)


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(CASES))
        return 0
    program, case = arguments
    root = tempfile.mkdtemp(prefix="tacet-cp-")
    os.chmod(root, 0o755)
    try:
        CASES[case](Place(os.path.abspath(program), root))
    except Skip as why:
        print(f"SKIP: {why}")
        return 77
    except AssertionError as why:
        print(f"FAILED: {why}")
        return 1
    finally:
        remove(root)
    return 0


sys.exit(main(sys.argv[1:]))
