#!/usr/bin/env bash
# Checks the format of every C++ file with clang-format 19: scripts/format.sh [--fix]
# --fix rewrites them, and first rewraps comments that are wider than the code may be.
set -euo pipefail
cd "$(dirname "$0")/.."

clang_format=$(command -v clang-format-19 || true)
if [[ -z $clang_format ]]; then
    echo "format.sh: needs clang-format-19 (other versions format differently): scripts/setup.sh --all" >&2
    exit 1
fi
mapfile -d '' files < <(find include src tools tests examples benchmarks \( -name '*.hpp' -o -name '*.cpp' \) -print0 2>/dev/null)
if [[ ${1:-} == --fix ]]; then
    scripts/wrap_comments.py "${files[@]}"
    printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 8 "$clang_format" -i
    exit 0
fi
if ! printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 8 "$clang_format" --dry-run -Werror --ferror-limit=3; then
    echo "format.sh: run scripts/format.sh --fix" >&2
    exit 1
fi
echo "format: ${#files[@]} files are formatted"
