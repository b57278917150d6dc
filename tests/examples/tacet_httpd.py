#!/usr/bin/env python3
"""Tests of the example program tacet-httpd, by curl, by wrk and by clients that behave badly.

usage: tacet_httpd.py PROGRAM CASE   runs one case; exit status 77 after a line `SKIP: why`
       tacet_httpd.py --list         prints the cases, one a line

A case is a function below whose name begins with `case_`. It gets a `Site`: a folder, and the program.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LARGE = bytes((i * i * 31 + i // 251) % 256 for i in range(1 << 16)) * 160  # 10 MiB


class Skip(Exception):
    pass


class Site:
    """A folder of files, and the program that serves it."""

    def __init__(self, program, root):
        self.program, self.root = program, pathlib.Path(root)
        self.folder = self.root / "site"
        self.folder.mkdir()
        (self.folder / "small.txt").write_text("small\n")
        (self.folder / "empty").write_bytes(b"")
        (self.folder / "large.bin").write_bytes(LARGE)
        (self.folder / "deep").mkdir()
        (self.folder / "deep" / "index.html").write_text("<p>deep</p>\n")
        (self.folder / "a name with spaces & more.txt").write_text("spaces\n")
        (self.root / "secret").write_text("secret\n")

    @contextlib.contextmanager
    def served(self, *options):
        process = subprocess.Popen(
            [self.program, "--listen", "127.0.0.1:0", *options, self.folder], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", errors="backslashreplace")
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", first)
        if not found:
            process.kill()
            raise AssertionError(f"the program did not say where it listens: {first!r} {process.stderr.read()!r}")
        server = Server(process, int(found[1]))
        try:
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise AssertionError("it did not end after SIGTERM")
            server.said = "" if process.stdout.closed else process.stdout.read()
            server.errors = process.stderr.read()


class Server:
    def __init__(self, process, port):
        self.process, self.port = process, port

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def curl(self, *arguments):
        """Its standard output, as bytes."""
        done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "60", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(done.returncode == 0, f"curl {arguments}: {done.returncode} {done.stderr}")
        return done.stdout

    def status(self, path, *arguments):
        return self.curl("--output", os.devnull, "--write-out", "%{http_code}", "--path-as-is", *arguments,
                         self.url(path)).decode()

    def connect(self, receive_bytes=None):
        """receive_bytes: what waits in this end for being received, at most."""
        client = socket.socket()
        client.settimeout(60)
        if receive_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.connect(("127.0.0.1", self.port))
        return client

    def raw(self, *pieces):
        """What comes back, to its end, for bytes that need not be HTTP."""
        with self.connect() as client:
            for piece in pieces:
                client.sendall(piece)
            return read_to_end(client)


def read_to_end(client):
    received = b""
    while True:
        try:
            piece = client.recv(1 << 16)
        except ConnectionResetError:
            return received
        if not piece:
            return received
        received += piece


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(found, expected, what):
    check(found == expected, f"{what}: {found!r} instead of {expected!r}"[:2000])


def fields_of(head):
    lines = head.decode().split("\r\n")
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:] if ": " in line)}


def case_files_come_whole(site):
    with site.served() as server:
        for name in ["small.txt", "empty", "large.bin", "deep/index.html"]:
            equal(server.curl(server.url("/" + name)), (site.folder / name).read_bytes(), name)
        equal(server.curl(server.url("/a%20name%20with%20spaces%20%26%20more.txt")), b"spaces\n", "spaces")
        equal(server.curl(server.url("/small.txt?query=ignored")), b"small\n", "with a query")
    check(re.search(r"^GET /large\.bin 200 10485760$", server.said, re.M), f"log: {server.said}")
    equal(server.errors, "", "errors")


def case_a_folder_is_its_index(site):
    with site.served() as server:
        equal(server.curl(server.url("/deep/")), b"<p>deep</p>\n", "index")
        head = fields_of(server.curl("--head", server.url("/deep")))
        equal(head["location"], "/deep/", "where to")
        equal(server.curl("--location", server.url("/deep")), b"<p>deep</p>\n", "followed")
        equal(server.status("/"), "404", "a folder without index")
        (site.folder / "a\r\nSet-Cookie: b").mkdir()
        answer = server.raw(b"GET /a%0d%0aSet-Cookie:%20b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        check(b"\r\nSet-Cookie" not in answer and b"301" in answer, f"an injected field: {answer}")
        answer = server.raw(b"GET //deep HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        check(b"Location: /deep/\r\n" in answer, f"a redirection to another host: {answer}")


def case_heads_tell_what_a_file_is(site):
    with site.served() as server:
        head = fields_of(server.curl("--head", server.url("/small.txt")))
        equal(head["content-length"], "6", "length")
        equal(head["content-type"], "text/plain; charset=utf-8", "type")
        equal(head["accept-ranges"], "bytes", "ranges")
        tag, date = head["etag"], head["last-modified"]
        equal(server.status("/small.txt", "-H", f"If-None-Match: {tag}"), "304", "by tag")
        equal(server.status("/small.txt", "-H", f"If-Modified-Since: {date}"), "304", "by date")
        equal(server.status("/small.txt", "-H", 'If-None-Match: "other"', "-H", f"If-Modified-Since: {date}"), "200",
              "the tag goes before the date")
        os.utime(site.folder / "small.txt", (1, 1))
        equal(server.status("/small.txt", "-H", f"If-None-Match: {tag}"), "200", "after a change")
        for date in ["Thu, 01 Jan 1970 00:00:01 GMT", "Thursday, 01-Jan-70 00:00:01 GMT", "Thu Jan  1 00:00:01 1970"]:
            equal(server.status("/small.txt", "-H", f"If-Modified-Since: {date}"), "304", date)
        for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "yesterday", "Thu, 01 Jan 1970 00:00:01 GMT."]:
            equal(server.status("/small.txt", "-H", f"If-Modified-Since: {date}"), "200", date)


def case_conditions(site):
    """In the order of RFC 9110, 13.2.2."""
    with site.served() as server:
        head = fields_of(server.curl("--head", server.url("/small.txt")))
        tag, date, before = head["etag"], head["last-modified"], "Sun, 06 Nov 1994 08:49:37 GMT"
        for fields, expected in [
                ([f"If-Match: {tag}"], "200"), (["If-Match: *"], "200"), ([f'If-Match: "a, b", {tag}'], "200"),
                (['If-Match: "a"', f"If-Match: {tag}"], "200"), ([f"If-Match: W/{tag}, {tag}"], "200"),
                (['If-Match: "other"'], "412"), ([f"If-Match: W/{tag}"], "412"),
                (['If-Match: "other"', f"If-None-Match: {tag}"], "412"),
                ([f"If-Match: {tag}", f"If-None-Match: {tag}"], "304"),
                ([f"If-Match: {tag}", f"If-Unmodified-Since: {before}"], "200"),
                ([f"If-Unmodified-Since: {date}"], "200"), ([f"If-Unmodified-Since: {before}"], "412"),
                (["If-Unmodified-Since: nonsense"], "200"),
                ([f"If-None-Match: W/{tag}"], "304"), (["If-None-Match: *"], "304"),
                (['If-None-Match: "a"', f"If-None-Match: {tag}"], "304"),
                ([f"If-None-Match: {tag}", "Range: bytes=0-1"], "304"),
                ([f"If-Match: {tag}", "Range: bytes=0-1"], "206"), (['If-Match: "other"', "Range: bytes=0-1"], "412"),
                ([f"If-Range: {tag}", "Range: bytes=0-1"], "206"), ([f"If-Range: W/{tag}", "Range: bytes=0-1"], "200"),
                ([f"If-Range: {date}", "Range: bytes=0-1"], "206"),
                ([f"If-Range: {before}", "Range: bytes=0-1"], "200")]:
            arguments = [part for field in fields for part in ("-H", field)]
            equal(server.status("/small.txt", *arguments), expected, f"{fields}")
        equal(server.curl("-H", 'If-Match: "other"', server.url("/small.txt")), b"412 Precondition Failed\n", "why")
        equal(server.status("/missing", "-H", "If-Match: *"), "404", "of what is not there")


def case_ranges(site):
    with site.served() as server:
        url = server.url("/large.bin")
        for wanted, expected in [("0-0", LARGE[:1]), ("100-199", LARGE[100:200]), ("-77", LARGE[-77:]),
                                 ("10485750-", LARGE[-10:]), ("5000000-9999999", LARGE[5000000:10000000]),
                                 ("10485700-99999999999", LARGE[10485700:])]:
            equal(server.curl("--range", wanted, url), expected, wanted)
            equal(server.status("/large.bin", "--range", wanted), "206", wanted)
        head = server.curl("--range", "1-2", "--dump-header", "-", "--output", os.devnull, url)
        equal(fields_of(head)["content-range"], f"bytes 1-2/{len(LARGE)}", "where it lies")
        equal(server.status("/large.bin", "--range", f"{len(LARGE)}-"), "416", "behind the end")
        equal(server.status("/empty", "--range", "-5"), "416", "of nothing")
        for odd in ["bytes=2-1", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=18446744073709551616-"]:
            equal(server.status("/large.bin", "-H", f"Range: {odd}"), "200", odd)
        equal(server.status("/large.bin", "--range", "0-1", "-H", 'If-Range: "other"'), "200", "another version")


def case_connections_are_kept(site):
    with site.served() as server:
        said = subprocess.run(["curl", "--silent", "--verbose", server.url("/small.txt"), server.url("/small.txt"),
                               server.url("/missing"), server.url("/small.txt")],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        equal(said.stderr.count("Re-using existing connection"), 3, "connections used again")
        answer = server.raw(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 20 +
                            b"GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        equal(answer.count(b"\r\n\r\nsmall\n"), 20, "answers to requests that came at once")
        equal(server.raw(b"GET /small.txt HTTP/1.0\r\n\r\n").count(b"small\n"), 1, "an old client's connection ends")
        answer = server.raw(b"\r\n\r\nGET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n\r\n"
                            b"GET /small.txt HTTP/1.2\r\nHost: a\r\nConnection: close\r\n\r\n\r\n")
        equal(answer.count(b"HTTP/1.1 200 OK\r\n"), 2, "empty lines before and between, and a newer version")
        slowly = b"GET /small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = server.raw(*[bytes([byte]) for byte in slowly])
        check(answer.endswith(b"\r\n\r\nsmall\n"), f"a request that comes byte by byte: {answer}")


def case_nothing_outside_is_served(site):
    os.symlink("../secret", site.folder / "out")
    os.symlink("/etc/passwd", site.folder / "absolute")
    os.symlink("..", site.folder / "up")
    os.symlink("small.txt", site.folder / "within")
    os.mkfifo(site.folder / "fifo")
    with site.served() as server:
        for path in ["/../secret", "/%2e%2e/secret", "/deep/../../secret", "/deep/%2e%2e%2f..%2fsecret", "/out",
                     "/absolute", "/up/secret", "/..", "/../", "//../secret", "/....//secret", "/..%5csecret"]:
            check(server.status(path) in ("403", "404"), f"{path}: {server.status(path)}")
        equal(server.status("/small.txt%00.html"), "400", "a zero byte")
        equal(server.curl(server.url("/within")), b"small\n", "a link that stays within")
        equal(server.status("/deep/../small.txt"), "200", "up and down within")
        equal(server.status("/fifo"), "404", "a fifo")
    check("secret\n" not in server.said, "it was served")


def case_bad_requests_are_refused(site):
    def status_of(*pieces):
        answer = server.raw(*pieces)
        return answer.split(b" ", 2)[1] if answer.startswith(b"HTTP/1.1 ") else answer

    with site.served() as server:
        equal(server.status("/small.txt", "--request", "POST", "--data", "x"), "405", "a method with a body")
        equal(server.status("/small.txt", "--request", "GET", "--data", "x"), "413", "a body")
        equal(server.status("/small.txt", "--request", "NONSENSE"), "501", "an unknown method")
        equal(server.status("/small.txt", "--request", "DELETE"), "405", "another method")
        for odd in [b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / \r\n\r\n", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
                    b"GET / HTTP/x\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
                    b"GET / HTTP/1.2\r\n\r\n",
                    b"GET small.txt HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"GET /small.txt HTTP/1.1\r\n\r\n", b"GET /small.txt HTTP/1.1\r\nAccept: a\r\n\r\n",
                    b"GET /small.txt\0.html HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"GET /\nHost:b HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: a\r\n name: folded\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: a\r\nbad name: x\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"]:
            equal(status_of(odd), b"400", repr(odd))
        for version in [b"0.9", b"2.0", b"3.1"]:
            equal(status_of(b"GET / HTTP/" + version + b"\r\n\r\n"), b"505", "another version")
        answer = server.raw(b"PUT /small.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        check(b"\r\nAllow: GET, HEAD\r\n" in answer, f"what is allowed: {answer}")
        equal(status_of(b"GET /small.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), b"413",
              "chunks")
        equal(status_of(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"), b"414", "a long path")
        equal(status_of(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), b"414",
              "a long name")
        equal(status_of(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 5000 + b"\r\n"), b"431", "long fields")
        equal(status_of(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 200 + b"\r\n"), b"431", "many fields")
        equal(server.status("/small.txt"), "200", "afterwards")
    equal(server.errors, "", "errors")


def case_slow_clients_are_left(site):
    with site.served("--head-limit", "1", "--idle-limit", "1", "--send-limit", "1") as server:
        equal(server.raw(b""), b"", "a client that asks nothing")
        answer = server.raw(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n")
        check(answer.startswith(b"HTTP/1.1 408 "), f"half a request: {answer}")
        answer = server.raw(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        check(answer.endswith(b"small\n"), f"a client that asks no more: {answer}")
        with server.connect(4096) as client:
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            server.process.stdout.readline()  # small.txt
            send_until_reset(client, lambda: time.sleep(0.01))  # it takes nothing
        equal(server.status("/small.txt"), "200", "afterwards")
    equal(server.errors, "", "errors")


def send_until_reset(client, each):
    """What nobody reads makes the server's end known at once."""
    while True:
        try:
            client.sendall(b"x")
            each()
        except (BrokenPipeError, ConnectionResetError):
            return


def case_clients_that_take_a_little_now_and_then_are_left(site):
    with site.served("--send-limit", "1") as server, server.connect(4096) as client:
        client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        send_until_reset(client, lambda: (client.recv(500), time.sleep(0.02)))  # at most 25 kB a second
    equal(server.errors, "", "errors")


def case_clients_that_take_enough_are_not(site):
    """Though the file takes them longer than the limit."""
    with site.served("--send-limit", "3") as server, server.connect(1 << 17) as client:
        client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received, begun = b"", time.monotonic()
        while piece := client.recv(1 << 16):
            received += piece
            time.sleep(max(0, begun + len(received) / 1.5e6 - time.monotonic()))  # 1.5 MB a second
        check(received.endswith(LARGE), f"{len(received)} bytes")


def workers(process):
    """How many threads the kernel has made to do the process's I/O."""
    threads = pathlib.Path(f"/proc/{process.pid}/task").iterdir()
    return sum(thread.joinpath("comm").read_text().startswith("iou-wrk") for thread in threads)


def case_slow_clients_keep_nothing_from_others(site):
    os.truncate(site.folder / "large.bin", 100 << 20)
    with site.served() as server:
        clients = [server.connect(4096) for _ in range(50)]
        for client in clients:
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            check(client.recv(15) == b"HTTP/1.1 200 OK", "an answer")
        equal(server.curl(server.url("/small.txt")), b"small\n", "a small file")
        equal(len(server.curl(server.url("/large.bin"))), 100 << 20, "a large file")
        while workers(server.process) > len(clients) // 2:
            time.sleep(0.1)
        for client in clients:
            client.close()
    equal(server.errors, "", "errors")


def case_clients_that_go_away(site):
    with site.served() as server:
        for _ in range(50):
            with server.connect() as client:
                client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
                client.recv(1000)
        equal(server.curl(server.url("/large.bin")), LARGE, "afterwards")
    equal(server.errors, "", "errors")


def case_more_clients_than_connections(site):
    with site.served("--connections", "2") as server:
        clients = [server.connect() for _ in range(10)]
        for client in clients:
            client.sendall(b"GET /small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for client in clients:
            check(read_to_end(client).endswith(b"small\n"), "an answer")
            client.close()


def case_last_answers_arrive(site):
    """Though the client has sent what nobody reads any more."""
    with site.served() as server:
        asked = b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = server.raw(asked + b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        check(answer.endswith(LARGE), f"{len(answer)} bytes")
        answer = server.raw(b"POST /small.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000)
        check(answer.startswith(b"HTTP/1.1 405 ") and answer.endswith(b"405 Method Not Allowed\n"), f"{answer}")
    equal(server.errors, "", "errors")


def case_a_log_that_nobody_reads(site):
    with site.served() as server, server.connect() as client:
        server.process.stdout.close()
        for _ in range(5):
            client.sendall(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            check(client.recv(1000).endswith(b"small\n"), "an answer")
    equal(server.errors, "", "errors")


def case_few_descriptors(site):
    if b"__ubsan_handle" in pathlib.Path(site.program).read_bytes():
        raise Skip("the sanitizer needs descriptors itself, to look at memory")
    script = site.root / "limited"
    script.write_text(f"#!/bin/sh\nulimit -n 64\nexec '{site.program}' \"$@\"\n")
    script.chmod(0o755)
    site.program = str(script)
    with site.served() as server:
        clients = [server.connect() for _ in range(100)]
        for client in clients:
            client.sendall(b"GET /small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for client in clients:
            answer = read_to_end(client)
            check(answer.endswith(b"small\n") or answer.startswith(b"HTTP/1.1 503 "), f"an answer: {answer}")
            client.close()
        clients = [server.connect() for _ in range(30)]
        for client in clients:
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for client in clients:
            answer = read_to_end(client)
            check(answer.endswith(LARGE) or answer.startswith(b"HTTP/1.1 503 "), f"{len(answer)} bytes of a large file")
            client.close()
        equal(server.status("/small.txt"), "200", "afterwards")
    equal(server.errors, "", "errors")


def case_a_signal_lets_answers_end(site):
    with site.served() as server:
        idle, busy = server.connect(), server.connect()
        idle.sendall(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        check(b"small\n" in idle.recv(1000), "an answer")
        busy.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        received = busy.recv(1000)
        server.process.send_signal(signal.SIGINT)
        equal(read_to_end(idle), b"", "the idle connection ends")
        received += read_to_end(busy)
        check(received.endswith(LARGE), "the answer that was under way")
        equal(server.process.wait(timeout=30), 0, "exit status")
        try:
            server.connect()
            raise AssertionError("it still listens")
        except ConnectionRefusedError:
            pass
    equal(server.errors, "", "errors")


def case_a_signal_stops_all_threads(site):
    with site.served("--threads", "4") as server:
        clients = [server.connect() for _ in range(8)]
        for client in clients:
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        received = [client.recv(1000) for client in clients]
        server.process.send_signal(signal.SIGINT)
        for client, begun in zip(clients, received):
            check((begun + read_to_end(client)).endswith(LARGE), "the answer that was under way")
            client.close()
        equal(server.process.wait(timeout=30), 0, "exit status")
    equal(server.errors, "", "errors")


def case_a_second_signal_ends_all(site):
    with site.served() as server, server.connect() as busy:
        busy.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        busy.recv(1000)
        idle = server.connect()
        server.process.send_signal(signal.SIGTERM)
        equal(read_to_end(idle), b"", "an idle one: the first signal has come")
        check(server.process.poll() is None, "it waits for the client that takes nothing")
        server.process.send_signal(signal.SIGTERM)
        equal(server.process.wait(timeout=30), 0, "exit status")
    equal(server.errors, "", "errors")


def await_taken(process, number):
    """Until the process has the signal, and could get another of that number."""
    while True:
        pending = re.search(r"^ShdPnd:\s*(\w+)", pathlib.Path(f"/proc/{process.pid}/status").read_text(), re.M)
        if not int(pending[1], 16) >> (number - 1) & 1:
            return


def case_a_third_signal_ends_what_hangs(site):
    with site.served() as server, server.connect() as client:
        fcntl.fcntl(server.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        for _ in range(2):  # the line for the second finds no room, and nobody reads
            client.sendall(b"GET /" + b"%FF" * 1000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            check(client.recv(1000).startswith(b"HTTP/1.1 414 "), "an answer")
        for _ in range(2):
            server.process.send_signal(signal.SIGINT)
            await_taken(server.process, signal.SIGINT)
        server.process.send_signal(signal.SIGINT)
        equal(server.process.wait(timeout=30), -signal.SIGINT, "exit status")


def case_wrk(site):
    if not shutil.which("wrk"):
        raise Skip("wrk is not installed")
    with site.served("--threads", "2", "--quiet") as server:
        for path in ["/small.txt", "/large.bin", "/missing"]:
            said = subprocess.run(["wrk", "--threads", "2", "--connections", "64", "--duration", "1s", server.url(path)],
                                  stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
            check("Socket errors" not in said, said)
            equal("Non-2xx" in said, path == "/missing", said)
            check(int(re.search(r"(\d+) requests in", said)[1]) > 0, said)
        equal(server.curl(server.url("/large.bin")), LARGE, "afterwards")
    equal(server.errors, "", "errors")


def case_usage(site):
    def run(*arguments):
        return subprocess.run([site.program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8")

    check(run("--help").stdout.startswith("usage: tacet-httpd --listen ADDRESS:PORT"), "help")
    equal(run("--version").returncode, 0, "version")
    for arguments, word in [([], "--listen"), (["--listen", "127.0.0.1:0"], "FOLDER is missing"),
                            (["--listen", "127.0.0.1:0", "a", "b"], "one FOLDER"), (["--nonsense"], "--nonsense"),
                            (["--quiet=3"], "--quiet=3"), (["-zq"], "no option -z"),
                            (["--listen", "nonsense", "."], "--listen nonsense"),
                            (["--listen", "127.0.0.1:99999", "."], "99999"), (["--threads"], "--threads needs"),
                            (["--listen", "127.0.0.1:0", "--threads", "0", "."], "--threads 0")]:
        done = run(*arguments)
        equal(done.returncode, 2, f"{arguments}")
        check(word in done.stderr, f"{arguments}: {done.stderr}")
    for address, folder, word in [("127.0.0.1:0", "/nonexistent", "/nonexistent"),
                                  ("127.0.0.1:0", __file__, "Not a directory"),
                                  ("192.0.2.1:1", ".", "192.0.2.1:1")]:
        done = run("--listen", address, folder)
        equal(done.returncode, 1, f"{address} {folder}: {done.stderr}")
        check(word in done.stderr, f"{address} {folder}: {done.stderr}")
    if os.getuid() != 0:
        site.folder.chmod(0o400)
        done = run("--listen", "127.0.0.1:0", site.folder)
        equal((done.returncode, "Permission denied" in done.stderr), (1, True), f"a folder that is closed: {done}")
        site.folder.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run("--listen", "127.0.0.1:{}".format(other.getsockname()[1]), ".")
        equal((done.returncode, "in use" in done.stderr), (1, True), f"where another listens: {done}")
    with open("/dev/full", "w") as full:
        for arguments in [["--help"], ["--version"], ["--listen", "127.0.0.1:0", "."]]:
            done = subprocess.run([site.program, *arguments], stdout=full, stderr=subprocess.PIPE, encoding="utf-8")
            equal(done.returncode, 1, f"{arguments} where nothing can be written")
            check("No space left" in done.stderr, f"{arguments}: {done.stderr}")


CASES = {name.removeprefix("case_"): function for name, function in list(globals().items()) if name.startswith("case_")}


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(CASES))
        return 0
    program, case = arguments
    if not shutil.which("curl"):
        print("SKIP: curl is not installed")
        return 77
    with tempfile.TemporaryDirectory(prefix="tacet-httpd-") as root:
        try:
            CASES[case](Site(os.path.abspath(program), root))
        except Skip as why:
            print(f"SKIP: {why}")
            return 77
        except AssertionError as why:
            print(f"FAILED: {why}")
            return 1
    return 0


sys.exit(main(sys.argv[1:]))
