#!/usr/bin/env python3
"""Runs an example as a test.

usage: run_example.py PROGRAM SOURCE [EXPECTED]

Comments in the first 30 lines of SOURCE say how:
  // args: ...      arguments for the program
  // exit: 3        the exit status (default 0)
  // run: skip      it is not run, only built (a server that never ends)
EXPECTED, if it exists, holds regular expressions, one per line; each must match a line of the output (standard output
and error together), in this order, with other lines between them or not. `!` in front: no line may match it.
Empty lines and lines that begin with `#` are comments.
"""
import pathlib
import re
import shlex
import subprocess
import sys

TIME_LIMIT = 120


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    expected = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    head = "\n".join(source.read_text().splitlines()[:30])
    if re.search(r"^// run: skip", head, re.M):
        print("not run (it says `run: skip`)")
        return 0
    args = re.search(r"^// args:(.*)$", head, re.M)
    status = re.search(r"^// exit: *(\d+)", head, re.M)
    command = [program] + (shlex.split(args[1]) if args else [])
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=TIME_LIMIT, text=True, errors="replace")
    except subprocess.TimeoutExpired as late:
        print(late.stdout or "")
        print(f"{program} did not end within {TIME_LIMIT} s")
        return 1
    print(run.stdout, end="")
    wanted_status = int(status[1]) if status else 0
    if run.returncode != wanted_status:
        print(f"{program}: exit status {run.returncode}, not {wanted_status}")
        return 1
    if not expected or not expected.exists():
        return 0

    lines = run.stdout.splitlines()
    at = 0
    for number, pattern in enumerate(expected.read_text().splitlines(), 1):
        if not pattern.strip() or pattern.startswith("#"):
            continue
        if pattern.startswith("!"):
            if any(re.search(pattern[1:], line) for line in lines):
                print(f"{expected}:{number}: a line matches {pattern[1:]!r}, which none may")
                return 1
            continue
        match = next((i for i in range(at, len(lines)) if re.search(pattern, lines[i])), None)
        if match is None:
            where = "anywhere" if at == 0 else f"after line {at} of the output"
            print(f"{expected}:{number}: no line matches {pattern!r} {where}")
            return 1
        at = match + 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
