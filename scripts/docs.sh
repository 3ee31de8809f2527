#!/usr/bin/env bash
# Checks the documentation: links, and every listing compiled and run: scripts/docs.sh [PRESET]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
scripts/check_links.py
scripts/build.sh "$preset"
ctest --preset "$preset" --parallel "$(nproc)" --label-regex docs
