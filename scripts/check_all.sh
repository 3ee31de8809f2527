#!/usr/bin/env bash
# The whole matrix: every preset built and tested, and every other check. Hours on a small machine; prints a table and
# goes on after a failure. scripts/check_all.sh [STEP...] runs only those.
#
# The tests themselves run on every backend, so a preset's row covers epoll, io_uring and sim.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
scripts/setup.sh --all || exit 1

steps=("$@")
if ((${#steps[@]} == 0)); then
    steps=(format tidy lint headers umbrella links
        release debug test asan asan-o2 tsan clang clang-debug clang-asan clang-tsan fuzz debian13)
fi
run_step() {
    case $1 in
    format) scripts/format.sh ;;
    tidy) scripts/tidy.py ;;
    lint) scripts/lint.sh ;;
    headers) scripts/check_headers.sh ;;
    umbrella) scripts/check_umbrella.sh ;;
    links) scripts/check_links.py ;;
    fuzz) scripts/fuzz.sh ;;
    debian13) scripts/test_debian13.sh ;;
    *) scripts/test.sh "$1" ;;
    esac
}

mkdir -p build
failed=0
for step in "${steps[@]}"; do
    begin=$SECONDS
    if run_step "$step" >"build/check_$step.log" 2>&1; then
        verdict=passed
    else
        verdict="FAILED, see build/check_$step.log"
        failed=$((failed + 1))
    fi
    awk -v step="$step" -v s=$((SECONDS - begin)) -v v="$verdict" 'BEGIN {printf "%-12s %6.1f min  %s\n", step, s / 60, v}'
done
echo
echo "$((${#steps[@]} - failed)) of ${#steps[@]} steps passed"
((failed == 0))
