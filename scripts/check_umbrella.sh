#!/usr/bin/env bash
# The umbrella header alone compiles in under 1.5 s with g++ -O0: scripts/check_umbrella.sh [LIMIT_SECONDS]
#
# A real compile (-c, with code generation), median of five; CPU seconds. They, too, grow on a busy or a slow machine,
# so each compile has one of a few standard headers beside it that takes 0.80 s on a quiet one: if that takes longer,
# the limit is as much higher.
set -euo pipefail
cd "$(dirname "$0")/.."

limit=${1:-1.5}
yardstick=0.80
compiler=${CXX:-g++}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo '#include <asyncio/asyncio.hpp>' >"$scratch/umbrella.cpp"
printf '#include <%s>\n' chrono functional future map regex >"$scratch/standard.cpp"

TIMEFORMAT='%U %S'
cpu_seconds() {
    { time "$compiler" -std=c++20 -O0 -Iinclude -c "$1" -o "$scratch/out.o" 2>"$scratch/errors"; } 2>"$scratch/time" ||
        { cat "$scratch/errors" >&2; exit 1; }
    awk '{printf "%.2f\n", $1 + $2}' "$scratch/time"
}
for _ in 1 2 3 4 5; do
    cpu_seconds "$scratch/umbrella.cpp" >>"$scratch/ours"
    cpu_seconds "$scratch/standard.cpp" >>"$scratch/standard"
done
median() { sort -n "$1" | sed -n 3p; }
ours=$(median "$scratch/ours")
standard=$(median "$scratch/standard")
allowed=$(awk -v l="$limit" -v s="$standard" -v y="$yardstick" 'BEGIN {printf "%.2f", l * (s > y ? s / y : 1)}')
echo "umbrella: $ours s of $allowed s ($(paste -sd ' ' "$scratch/ours"); standard headers: $standard s of $yardstick s)"
if awk -v a="$ours" -v b="$allowed" 'BEGIN {exit !(a > b)}'; then
    echo "umbrella: too slow; g++ -H shows what is included, -ftime-report what it costs" >&2
    exit 1
fi
