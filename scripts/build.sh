#!/usr/bin/env bash
# Configures and builds presets of CMakePresets.json: scripts/build.sh [PRESET...] [-- TARGET...]
# Silent about what is already built; ASYNCIO_JOBS limits the parallel compiler runs.
set -euo pipefail
cd "$(dirname "$0")/.."

presets=()
while (($#)) && [[ $1 != -- ]]; do
    presets+=("$1")
    shift
done
(($#)) && shift
targets=()
for target in "$@"; do targets+=(--target "$target"); done
((${#presets[@]})) || presets=(release)

# One compiler run takes up to 1 GB: as many as there are cores, but no more than fit into the memory.
if [[ -z ${ASYNCIO_JOBS:-} ]]; then
    cores=$(nproc)
    by_memory=$(awk '/^MemAvailable/ {print int($2 / 1000000)}' /proc/meminfo)
    ASYNCIO_JOBS=$((by_memory < cores ? (by_memory > 0 ? by_memory : 1) : cores))
fi

for preset in "${presets[@]}"; do
    log=build/$preset/configure.log
    mkdir -p "build/$preset"
    if ! cmake --preset "$preset" >"$log" 2>&1; then
        cat "$log" >&2
        echo "build.sh: configuring the preset '$preset' failed" >&2
        exit 1
    fi
    cmake --build --preset "$preset" --parallel "$ASYNCIO_JOBS" "${targets[@]}"
done
