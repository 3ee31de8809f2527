#!/usr/bin/env bash
# Names the backends that the tests of a build run on: scripts/backends.sh [folder of programs]
#
# Exit status 1 if one of epoll, io_uring, sim is missing here, unless ASYNCIO_ALLOW_MISSING_BACKENDS (names, separated
# by spaces or commas) allows it.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${1:-build/release/bin}
program=$bin/asyncio-backends
if [[ ! -x $program ]]; then
    echo "backends: unknown ($program is not built)" >&2
    exit 1
fi
found=$("$program" | tr '\n' ' ')
allowed=" ${ASYNCIO_ALLOW_MISSING_BACKENDS:-} "
allowed=${allowed//,/ }
status=0
for backend in epoll io_uring sim; do
    if [[ " $found " != *" $backend "* ]]; then
        if [[ $allowed == *" $backend "* ]]; then
            echo "backends: $backend is missing here, which ASYNCIO_ALLOW_MISSING_BACKENDS allows" >&2
        else
            echo "backends: $backend is missing here; set ASYNCIO_ALLOW_MISSING_BACKENDS=$backend to go on without" >&2
            status=1
        fi
    fi
done
echo "backends: ${found% }"
exit "$status"
