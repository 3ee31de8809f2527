#!/usr/bin/env bash
# Every public header compiles alone, and twice: scripts/check_headers.sh [COMPILER...] (default g++, and clang++-19
# if it is here)
set -euo pipefail
cd "$(dirname "$0")/.."

compilers=("$@")
if ((${#compilers[@]} == 0)); then
    compilers=(g++)
    command -v clang++-19 >/dev/null && compilers+=(clang++-19)
fi
check_one() {
    local compiler=$1 header=$2
    if ! printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$compiler" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -Iinclude -x c++ -; then
        echo "check_headers: $header does not compile alone with $compiler" >&2
        return 1
    fi
}
export -f check_one
mapfile -t headers < <(cd include && find asyncio -name '*.hpp' | sort)
# The one whose third-party library need not be here.
if ! echo '#include <asio.hpp>' | "${compilers[0]}" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then
    mapfile -t headers < <(printf '%s\n' "${headers[@]}" | grep -v interop/asio.hpp)
fi
for compiler in "${compilers[@]}"; do
    # shellcheck disable=SC2016
    printf '%s\n' "${headers[@]}" | xargs -P "$(nproc)" -I{} bash -c 'check_one "$1" "$2"' _ "$compiler" {} || exit 1
done
echo "headers: ${#headers[@]} headers compile alone with ${compilers[*]}"
