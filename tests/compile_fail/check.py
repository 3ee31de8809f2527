#!/usr/bin/env python3
"""Checks that a file is refused by the compilers, and with the message it promises.

usage: check.py SOURCE INCLUDE_DIR COMPILER...

The first lines of SOURCE:
  // expect: REGEX     a line of the compiler's errors must match (several such lines: each must be matched)
  // flags: -Werror=x  more compiler flags (else warnings are off)
  // only: g++         only this compiler (g++ or clang++), or `g++<=12`, `g++>=13`: only these versions of it
"""
import operator
import pathlib
import re
import subprocess
import sys

COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq}


def kind_and_version(compiler):
    text = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    kind = "clang++" if "clang" in text else "g++"
    return kind, int(re.search(r"(\d+)\.\d+\.\d+", text)[1])


def wanted(only, kind, version):
    if not only:
        return True
    match = re.match(r"^(g\+\+|clang\+\+)\s*(?:(<=|>=|==|<|>)\s*(\d+))?$", only)
    if not match:
        raise SystemExit(f"cannot read `only: {only}`")
    return match[1] == kind and (not match[2] or COMPARE[match[2]](version, int(match[3])))


def main():
    source, include, compilers = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    head = source.read_text().splitlines()[:12]
    expected = [line[len("// expect:"):].strip() for line in head if line.startswith("// expect:")]
    only = next((line[len("// only:"):].strip() for line in head if line.startswith("// only:")), "")
    if not expected:
        print(f"{source}: the first lines must hold `// expect: REGEX`")
        return 1
    problems, tried = [], []
    for compiler in compilers:
        kind, version = kind_and_version(compiler)
        if not wanted(only, kind, version):
            continue
        tried.append(f"{kind} {version}")
        command = [compiler, "-std=c++20", "-w", "-fsyntax-only", str(source), "-I", include]
        # What is refused may be a warning that the file turns into an error.
        flags = next((line[len("// flags:"):].split() for line in head if line.startswith("// flags:")), [])
        if flags:
            command.remove("-w")
        run = subprocess.run(command + flags, capture_output=True, text=True)
        if run.returncode == 0:
            problems.append(f"{kind} {version} compiles it")
            continue
        for regex in expected:
            if not re.search(regex, run.stderr):
                errors = [line for line in run.stderr.splitlines() if "error" in line][:6]
                problems.append(f"{kind} {version}: no message matches {regex!r}; it says:\n    " + "\n    ".join(errors))
    for problem in problems:
        print(f"{source.name}: {problem}")
    if not problems:
        print(f"{source.name}: refused by {', '.join(tried) or 'none of the compilers here (see its `only:`)'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
