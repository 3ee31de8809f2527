#!/usr/bin/env bash
# Builds the fuzz targets with libFuzzer and runs each: scripts/fuzz.sh [SECONDS_EACH] [TARGET...]
# What is found lies in build/fuzz/<target>/, and is replayed with build/fuzz/bin/<target> FILE.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
(($#)) && shift
targets=("$@")
if ((${#targets[@]} == 0)); then
    for file in tests/fuzz/*_fuzz.cpp; do targets+=("$(basename "$file" .cpp)"); done
fi
scripts/build.sh fuzz -- "${targets[@]}"
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    mkdir -p "build/fuzz/$target/corpus"
    (cd "build/fuzz/$target" && "../bin/$target" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 corpus)
done
