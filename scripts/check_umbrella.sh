#!/usr/bin/env bash
# The umbrella header alone compiles in under 1.5 s with g++ -O0: scripts/check_umbrella.sh [LIMIT_SECONDS]
# A real compile (-c, with code generation), median of three; CPU seconds, so that a busy machine does not matter.
set -euo pipefail
cd "$(dirname "$0")/.."

limit=${1:-1.5}
compiler=${CXX:-g++}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo '#include <asyncio/asyncio.hpp>' >"$scratch/umbrella.cpp"

TIMEFORMAT='%U %S'
seconds=()
for _ in 1 2 3; do
    { time "$compiler" -std=c++20 -O0 -Iinclude -c "$scratch/umbrella.cpp" -o "$scratch/umbrella.o" 2>"$scratch/errors"; } \
        2>"$scratch/time" || { cat "$scratch/errors" >&2; exit 1; }
    seconds+=("$(awk '{printf "%.2f", $1 + $2}' "$scratch/time")")
done
median=$(printf '%s\n' "${seconds[@]}" | sort -n | sed -n 2p)
echo "umbrella: $median s of $limit s (three compiles: ${seconds[*]})"
if awk -v a="$median" -v b="$limit" 'BEGIN {exit !(a > b)}'; then
    echo "umbrella: too slow; g++ -H shows what is included, -ftime-report what it costs" >&2
    exit 1
fi
