#!/usr/bin/env python3
"""Counts the instructions of an operation under callgrind: exact where times are noisy.

usage: instructions.py [--check | --record] [--jobs switch,echo]

Each program runs with two sizes; the difference of their counts, divided by the difference of the sizes, is what one
operation costs in user mode. benchmarks/instructions.json holds the counts for each compiler.

  --check    exit status 1 if an operation costs more than 3 % over its record
  --record   write the counts of this compiler down: lower ones, and those of operations that have none yet
  --raise    with --record: also higher ones, for a change that is worth them
"""

import argparse
import contextlib
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from house import contestants, drive

RECORD = contestants.BENCHMARKS / "instructions.json"
TOLERANCE = 1.03

# operation: (program, arguments, the two sizes, operations for each of `n`).
OPERATIONS = {
    "switch": ("job_switch", [], (20_000, 60_000), 1),
    "spawn": ("job_spawn", [], (5_000, 15_000), 1),
    "await": ("job_await_depth", ["depth=100"], (100, 300), 100),
    "timeout": ("job_timeout", ["scope=with", "operation=yield"], (5_000, 15_000), 1),
    "wait_for": ("job_timeout", ["scope=wait_for", "operation=yield"], (5_000, 15_000), 1),
    "echo": ("job_echo", [], (1_000, 3_000), 1),
    "queue_1": ("job_queue", ["size=1"], (10_000, 30_000), 1),
    "queue_1024": ("job_queue", ["size=1024"], (20_480, 61_440), 1),
    "queue_pingpong": ("job_queue", ["size=1", "shape=pingpong"], (10_000, 30_000), 1),
    "lock_free": ("job_lock", ["tasks=1"], (20_000, 60_000), 1),
    "lock_turns": ("job_lock", ["tasks=4"], (10_000, 30_000), 1),
    "http": ("job_http_server", [], (1_000, 3_000), 1),
}
# Servers: what they are sent, and how their answer ends.
MESSAGES = {
    "echo": (b"x" * 64, b"x" * 64),
    "http": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"Hello, World!"),
}


def compiler():
    cache = (contestants.BUILD / "programs" / "CMakeCache.txt").read_text()
    path = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.M)[1]
    name = "clang" if "clang" in subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout else "g++"
    version = subprocess.run([path, "-dumpfullversion" if name == "g++" else "-dumpversion"], capture_output=True, text=True, check=True)
    return f"{name} {version.stdout.strip()}"


def total(out):
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])


def valgrind(out, program, arguments):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(contestants.BIN / program), *arguments]


def count_program(program, arguments, n):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        subprocess.run(valgrind(out, program, [*arguments, f"n={n}"]), capture_output=True, check=True)
        return total(out)


def count_server(program, messages, request, end):
    """The server's instructions for so many messages on one connection."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        out = pathlib.Path(folder) / "out"
        driver = drive.Driver()
        port = driver.next_port()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with driver.server(valgrind(out, program, [f"port={port}"]), "0", port) as process:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(messages):
                connection.sendall(request)
                if not connection.recv(4096).endswith(end):
                    raise RuntimeError(f"{program} did not answer")
            process.send_signal(signal.SIGTERM)
            process.wait()
        return total(out)


def cost(operation):
    program, arguments, (small, large), each = OPERATIONS[operation]
    message = MESSAGES.get(operation)
    counts = [count_server(program, n, *message) if message else count_program(program, arguments, n) for n in (small, large)]
    return round((counts[1] - counts[0]) / (large - small) / each, 1)


def least_cost(operation, known):
    """Measured again if it is over its record: a loop looks at the kernel by time, so on a busy machine more often."""
    counts = [cost(operation)]
    while known and counts[-1] > known * TOLERANCE and len(counts) < 3:
        counts.append(cost(operation))
    return min(counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--raise", dest="may_raise", action="store_true")
    parser.add_argument("--jobs", default=",".join(OPERATIONS))
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("instructions.py: valgrind is not here (scripts/setup.sh --all)", file=sys.stderr)
        return 2
    records = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    name = compiler()
    known = records.setdefault(name, {})
    worse = []
    print(f"instructions of an operation, {name}")
    for operation in options.jobs.split(","):
        before = known.get(operation)
        now = least_cost(operation, before)
        change = f"{now / before - 1:+.1%} of {before:g}" if before else "no record"
        print(f"  {operation:10} {now:8.1f}  {change}", flush=True)
        if before and now > before * TOLERANCE:
            worse.append(operation)
        if options.record and (before is None or now < before or options.may_raise):
            known[operation] = now
    if options.record:
        RECORD.write_text(json.dumps(records, indent=4, sort_keys=True) + "\n")
    if worse and options.check:
        print(f"instructions.py: {', '.join(worse)} cost more than 3 % over the record. If that is worth it: --record --raise", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
