#!/usr/bin/env bash
# Installs a build to a temporary prefix and builds small programs against it, as a user would: with find_package and
# with pkg-config. Then looks at what the core program links.
#
#   tests/install/run.sh BUILD_DIR C++_COMPILER (static|shared)
#
# `static` installs BUILD_DIR itself; `shared` first builds the library again, shared, in BUILD_DIR/install_shared.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
build_dir=$(cd "$1" && pwd)
compiler=$2
kind=$3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

fail() {
    echo "install test ($kind): $*" >&2
    exit 1
}

installed_build=$build_dir
if [[ $kind == shared ]]; then
    installed_build=$build_dir/install_shared
    cmake -S "$source_dir" -B "$installed_build" -G Ninja -DBUILD_SHARED_LIBS=ON -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_CXX_FLAGS=-O0 -DCMAKE_CXX_COMPILER="$compiler" -DASYNCIO_BUILD_TESTS=OFF \
        -DASYNCIO_BUILD_EXAMPLES=OFF -DASYNCIO_BUILD_BENCHMARKS=OFF -DASYNCIO_BUILD_TOOLS=OFF >"$scratch/log" ||
        { cat "$scratch/log"; fail "configuring failed"; }
    cmake --build "$installed_build" --parallel 2 >"$scratch/log" || { cat "$scratch/log"; fail "building failed"; }
fi
cmake --install "$installed_build" --prefix "$prefix" >"$scratch/log" || { cat "$scratch/log"; fail "installing failed"; }

libdir=$(dirname "$(dirname "$(find "$prefix" -name asyncio.pc)")")
export PKG_CONFIG_PATH=$libdir/pkgconfig
[[ $kind == shared ]] && export LD_LIBRARY_PATH=$libdir

[[ -e $prefix/bin/asyncio-lint ]] || fail "asyncio-lint was not installed"
[[ -e $prefix/share/asyncio/LICENSE ]] || fail "share/asyncio is not there"
if [[ -n $(find "$prefix" -name '*.cpp') ]]; then fail "a source file was installed"; fi

# expect_output PROGRAM TEXT
expect_output() {
    local out
    out=$("$1") || fail "$1 failed"
    [[ $out == "$2" ]] || fail "$1 printed '$out', not '$2'"
}

# A program that uses the core alone carries neither TLS nor an HTTP parser: neither as a library nor inside it.
expect_core_only() {
    local libraries
    libraries=$(ldd "$1"; readelf -d "$1" | grep NEEDED)
    if grep -qiE 'libssl|libcrypto|llhttp|asyncio_http' <<<"$libraries"; then
        fail "$1 links more than the core: $libraries"
    fi
    if nm -C "$1" | grep -qE 'llhttp_|SSL_'; then fail "$1 contains llhttp or OpenSSL"; fi
}

# 1. find_package
cmake -S "$here/consumer" -B "$scratch/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$compiler" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "find_package failed"; }
if [[ $("$compiler" --version | head -n 1) == *g++* && $("$compiler" -dumpversion) -lt 13 ]]; then
    warnings=$(grep -c 'silently' "$scratch/log" || true)
    [[ $warnings == 1 ]] || fail "find_package warned of g++ 12 $warnings times, not once"
fi
cmake --build "$scratch/consumer" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "the consumer did not build"; }
expect_output "$scratch/consumer/consumer" 42
expect_core_only "$scratch/consumer/consumer"

# 2. pkg-config
read -ra flags <<<"$(pkg-config --cflags --libs asyncio)"
"$compiler" -std=c++20 "$here/consumer/main.cpp" "${flags[@]}" -o "$scratch/main"
expect_output "$scratch/main" 42
expect_core_only "$scratch/main"

# 3. the same with HTTP, where it was built
if [[ -e $libdir/pkgconfig/asyncio-http.pc ]]; then
    expect_output "$scratch/consumer/consumer_http" refused
    read -ra flags <<<"$(pkg-config --cflags --libs asyncio-http)"
    "$compiler" -std=c++20 "$here/consumer/http_main.cpp" "${flags[@]}" -o "$scratch/http_main"
    expect_output "$scratch/http_main" refused
fi

# 4. the programs: each starts and can say how it is used
for program in "$prefix"/bin/*; do
    "$program" --help >/dev/null </dev/null || fail "$(basename "$program") --help failed"
done
echo "install test ($kind): passed"
