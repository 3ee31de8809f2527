#!/usr/bin/env python3
"""Runs asyncio-lint over its own test files: what it finds must be exactly the lines marked `// BAD <names>`.

usage: check.py ASYNCIO_LINT FILE
"""
import pathlib
import re
import subprocess
import sys

lint, source = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
run = subprocess.run([lint, "--root", source.parent.parent, source, "--", "-std=c++20"], capture_output=True, text=True)

expected = set()
for number, line in enumerate(source.read_text().splitlines(), 1):
    mark = re.search(r"// BAD ([B\d,]+)", line)
    if mark:
        expected |= {(number, name) for name in mark[1].split(",")}
found = {(int(m[1]), m[2]) for m in re.finditer(rf"{re.escape(source.name)}:(\d+):\d+: (B\d):", run.stdout)}
elsewhere = [line for line in run.stdout.splitlines() if source.name not in line]

problems = [f"line {line}: {name} was not found" for line, name in sorted(expected - found)]
problems += [f"line {line}: {name} was found, but is not marked" for line, name in sorted(found - expected)]
problems += [f"found elsewhere: {line}" for line in elsewhere]
if run.returncode != (1 if expected else 0):
    problems.append(f"exit status {run.returncode}: {run.stderr.strip()}")
for line in run.stdout.splitlines():
    if "gcc12" not in line:
        problems.append(f"a finding names no hazard page: {line}")
print("\n".join(f"{source.name}: {p}" for p in problems) or f"{source.name}: {len(expected)} pattern(s) found, as expected")
sys.exit(1 if problems else 0)
