#!/usr/bin/env bash
# asyncio-lint over library, tools, examples, tests, benchmarks and the listings of the docs; then clang-tidy's
# coroutine checks over library, tools and examples. Needs clang 19: scripts/setup.sh --all
set -euo pipefail
cd "$(dirname "$0")/.."

for program in clang-query-19 clang-tidy-19; do
    command -v "$program" >/dev/null || { echo "lint.sh: needs $program: scripts/setup.sh --all" >&2; exit 1; }
done

# Only configured, not built: the sources of the listings are written when it is configured.
for preset in release clang; do
    mkdir -p "build/$preset"
    cmake --preset "$preset" >"build/$preset/configure.log" 2>&1 || { cat "build/$preset/configure.log" >&2; exit 1; }
done

tools/asyncio-lint/asyncio-lint -p build/release --root .

mapfile -t sources < <(find src tools examples -name '*.cpp' 2>/dev/null | sort)
echo "clang-tidy: ${#sources[@]} sources"
# clang-tidy counts what it hid; of that chatter only findings are worth a line.
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 2 clang-tidy-19 -p build/clang --quiet 2>/dev/null
