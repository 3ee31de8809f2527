#!/usr/bin/env bash
# Runs the benchmarks: scripts/bench.sh [--brief] [arguments of benchmarks/run.py]
#
# --brief builds all that this machine can build, runs each once with tiny sizes so that none rots, and compares the
# instructions of an operation with benchmarks/instructions.json where valgrind is here. It takes under two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ " $* " != *" --brief "* ]]; then
    exec benchmarks/run.py "$@"
fi
benchmarks/run.py "$@"
if command -v valgrind >/dev/null; then
    benchmarks/instructions.py --check
else
    echo "bench.sh: valgrind is not here, instructions are not counted (scripts/setup.sh --all)"
fi
