#!/usr/bin/env bash
# Builds release and runs every benchmark, or those whose names are given: scripts/bench.sh [bench_name...]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh release
shopt -s nullglob
programs=()
if (($#)); then
    for name in "$@"; do programs+=("build/release/bin/$name"); done
else
    programs=(build/release/bin/bench_*)
fi
if ((${#programs[@]} == 0)); then
    echo "bench.sh: there are no benchmarks yet"
    exit 0
fi
echo "machine: $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), kernel $(uname -r)"
for program in "${programs[@]}"; do
    echo
    echo "== $(basename "$program")"
    "$program"
done
