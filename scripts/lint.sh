#!/usr/bin/env bash
# asyncio-lint over library, tools, examples, tests, benchmarks and the listings of the docs; then clang-tidy's
# coroutine checks over library, tools and examples. Needs clang 19: scripts/setup.sh --all
#
# --brief leaves out clang-tidy, and what g++ 12 builds at -O0 with the address sanitizer anyway (tests, examples): there
# the same expressions show by what they break.
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

if [[ ${1:-} == --brief ]]; then
    mapfile -t sources < <(grep -rlE 'co_await|co_yield' src tools build/release/doc_examples --include='*.cpp')
    exec tools/asyncio-lint/asyncio-lint -p build/release --root . "${sources[@]}"
fi
tools/asyncio-lint/asyncio-lint -p build/release --root .

# tidy_sources CHECKS FOLDER...: what clang-tidy says on stderr is chatter about what it hid.
tidy_sources() {
    local checks=$1 sources
    shift
    mapfile -t sources < <(find "$@" -name '*.cpp' 2>/dev/null | sort)
    ((${#sources[@]})) || return 0
    echo "clang-tidy: ${#sources[@]} sources in $*"
    printf '%s\n' "${sources[@]}" |
        xargs -P "$(nproc)" -n 2 clang-tidy-19 -p build/clang --quiet --checks="$checks" 2>/dev/null
}
tidy_sources cppcoreguidelines-avoid-capturing-lambda-coroutines src
tidy_sources '' tools examples
