#!/usr/bin/env python3
"""Runs an example of the tutorial once in virtual time and once for real, and compares what they print.

usage: same_in_real_time.py PROGRAM [ARGUMENT]...

The text and the order of the lines must be the same. Times ("1.0s", "50 ms") may differ by what a busy machine takes
longer; the columns of a chart may, too, but not the order of what it shows in each row. A machine that is late changes
the order of things only by accident, so there are three tries.
"""
import os
import re
import subprocess
import sys

TRIES = 3
TIME_LIMIT = 60
TIME = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)( ?)(s|ms)(?!\w)")
SYMBOLS = "·░█▒×"


def output(command, backend):
    environment = {**os.environ, "ASYNCIO_BACKEND": backend}
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env=environment, timeout=TIME_LIMIT)
    if run.returncode != 0:
        sys.exit(f"{run.stdout}\n{command[0]}: exit status {run.returncode}")
    return run.stdout


def is_axis(line):
    return "├" in line or re.match(r"^ +0 (s|ms|us|ns)\b", line)


def shape(line):
    """A line without its times; of a chart's row, what follows what."""
    if any(symbol in line for symbol in SYMBOLS):
        return re.sub(rf"([{SYMBOLS} ])\1+", r"\1", line)
    return re.sub(r" +", " ", TIME.sub(r"#\2\3", line)).strip()


def difference(virtual, real):
    """Why the real output is not what it should be; None if it is."""
    expected = [line for line in virtual.splitlines() if not is_axis(line)]
    found = [line for line in real.splitlines() if not is_axis(line)]
    for number, (a, b) in enumerate(zip(expected, found), 1):
        if shape(a) != shape(b):
            return f"line {number}: {b!r} instead of {a!r}"
        for (x, _, unit), (y, _, _) in zip(TIME.findall(a), TIME.findall(b)):
            scale = 1000 if unit == "ms" else 1
            wanted, took = float(x) / scale, float(y) / scale
            if not wanted - 0.06 <= took <= wanted * 1.2 + 0.1:
                return f"line {number}: {took} s instead of {wanted} s: {b!r}"
    if len(expected) != len(found):
        return f"{len(found)} lines instead of {len(expected)}"
    return None


def main():
    command = sys.argv[1:]
    virtual = output(command, "sim")
    wanted = os.environ.get("ASYNCIO_BACKEND", "")
    for attempt in range(TRIES):
        real = output(command, "" if wanted == "sim" else wanted)
        wrong = difference(virtual, real)
        if wrong is None:
            print(real, end="")
            return 0
        print(f"try {attempt + 1}: {wrong}\n--- in virtual time\n{virtual}--- for real\n{real}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
