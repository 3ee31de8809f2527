#!/usr/bin/env bash
# Builds a preset, runs its tests: scripts/test.sh [PRESET] [ctest arguments...]
# Ends with ctest's own summary and one line that names the backends which the tests ran on.
# ASYNCIO_TARGETS: build only these, such as unit_tests for the tests with that label.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-test}
(($#)) && shift
read -ra targets <<<"${ASYNCIO_TARGETS:-}"
scripts/build.sh "$preset" -- "${targets[@]}"

# A backend that this machine lacks would silently halve the tests, so its absence is a failure, unless allowed by name.
backends=$(scripts/backends.sh "build/$preset/bin")

status=0
log=build/$preset/ctest.log
ctest --preset "$preset" --parallel "$(nproc)" "$@" 2>&1 | tee "$log" || status=$?
# ctest prints label times after its verdict: the verdict is repeated, so that it stands at the end.
grep -E '^[0-9]+% tests passed' "$log" || true
echo "$backends"
exit "$status"
