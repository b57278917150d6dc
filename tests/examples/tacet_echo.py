#!/usr/bin/env python3
"""A test of the example program tacet-echo: what it sends back, to one client and to many, and how it ends.

usage: tacet_echo.py PROGRAM
"""
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def read_to_end(client):
    received = b""
    while piece := client.recv(1 << 16):
        received += piece
    return received


def start(program, address, **options):
    process = subprocess.Popen([program, "--listen", address], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               encoding="utf-8", **options)
    said = process.stdout.readline()
    check(said.startswith("listening at "), f"it says {said!r}")
    return process, said.removeprefix("listening at ").strip()


def end(process, *signals):
    for each in signals:
        process.send_signal(each)
    check(process.wait(timeout=60) == 0, f"exit status {process.returncode}")
    check(process.stderr.read() == "", "errors")


def connect(address):
    if address.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(address.removeprefix("unix:"))
        return client
    host, port = re.fullmatch(r"\[?(.*?)\]?:(\d+)", address).groups()
    return socket.create_connection((host, int(port)), timeout=60)


def await_refusal(address):
    """Until it does not listen any more. Who connects at that moment is cut off."""
    while True:
        try:
            connect(address).close()
        except ConnectionResetError:
            continue
        except ConnectionRefusedError:
            return


def echoes(address):
    """More than fits into any buffer on the way: who sends does not read meanwhile."""
    sent = bytes(range(256)) * 40000
    with connect(address) as client:
        sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR)))
        sender.start()
        check(read_to_end(client) == sent, "10 MB come back as they were sent")
        sender.join()


def many_at_once(address):
    clients = [connect(address) for _ in range(200)]
    for round_number in range(5):
        for i, client in enumerate(clients):
            client.sendall(f"{round_number} {i}".encode())
        for i, client in enumerate(clients):
            check(client.recv(100) == f"{round_number} {i}".encode(), "each gets its own")
    for client in clients:
        client.close()


def a_signal_lets_clients_end(program, address):
    process, address = start(program, address)
    client = connect(address)
    client.sendall(b"before")
    check(client.recv(100) == b"before", "an echo")
    process.send_signal(signal.SIGINT)
    await_refusal(address)
    client.sendall(b"after")
    check(client.recv(100) == b"after", "an echo after the signal")
    check(process.poll() is None, "it runs until the client ends")
    client.close()
    end(process)


def a_signal_where_descriptors_are_short(program, address):
    if b"__ubsan_handle" in open(program, "rb").read():
        return  # the sanitizer needs descriptors itself, to look at memory
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
    process, address = start(program, address, preexec_fn=limit)
    clients = [connect(address) for _ in range(30)]
    clients[0].sendall(b"before")
    check(clients[0].recv(100) == b"before", "an echo")
    process.send_signal(signal.SIGINT)
    await_refusal(address)
    clients[0].sendall(b"after")
    check(clients[0].recv(100) == b"after", "an echo after the signal")
    for client in clients:
        client.close()
    end(process)


def a_second_signal_ends_them(program, address):
    process, address = start(program, address)
    client = connect(address)
    client.sendall(b"x")
    check(client.recv(1) == b"x", "an echo")
    process.send_signal(signal.SIGTERM)
    await_refusal(address)
    end(process, signal.SIGTERM)
    check(client.recv(1) == b"", "the connection ends")


def by_a_path(program):
    with tempfile.TemporaryDirectory() as folder:
        process, address = start(program, f"unix:{folder}/echo")
        with connect(address) as client:
            client.sendall(b"path")
            check(client.recv(100) == b"path", "an echo")
        process.kill()  # what is left of the path is no hindrance
        process.wait()
        await_refusal(address)  # the kernel may let go of the ring, and what it holds, only later
        process, _ = start(program, address)
        other = subprocess.run([program, "--listen", address], stderr=subprocess.PIPE, encoding="utf-8")
        check(other.returncode == 1 and "in use" in other.stderr, f"where one listens: {other}")
        end(process, signal.SIGINT)


def usage(program):
    def run(*arguments):
        return subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")

    check(run("--help").stdout.startswith("usage: tacet-echo --listen ADDRESS:PORT"), "help")
    for arguments, status, word in [([], 2, "--listen"), (["--listen"], 2, "--listen needs"), (["--odd"], 2, "--odd"),
                                    (["--listen", "odd"], 2, "--listen odd"),
                                    (["--listen", "192.0.2.1:1"], 1, "192.0.2.1:1")]:
        done = run(*arguments)
        check(done.returncode == status and word in done.stderr, f"{arguments}: {done.returncode} {done.stderr}")


def main(program):
    process, address = start(program, "127.0.0.1:0")
    echoes(address)
    many_at_once(address)
    end(process, signal.SIGINT)
    a_signal_lets_clients_end(program, "127.0.0.1:0")
    a_signal_where_descriptors_are_short(program, "127.0.0.1:0")
    a_second_signal_ends_them(program, "127.0.0.1:0")
    by_a_path(program)
    usage(program)


main(sys.argv[1])
