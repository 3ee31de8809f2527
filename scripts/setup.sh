#!/usr/bin/env bash
# Installs what building and testing need, with the distribution's package manager.
#
#   scripts/setup.sh            what `make run` and `make test` need
#   scripts/setup.sh --all      also what formatting, linting and the sanitizer builds need (clang 19)
#   scripts/setup.sh --check    installs nothing; exit status 1 and a list if something is missing
#
# It says what it will install and why before it does, and is silent and quick when all is there. Packages are
# looked for by what they provide, so a hand-made installation of one counts too.
set -euo pipefail

want_all=0
check_only=0
for arg in "$@"; do
    case $arg in
    --all) want_all=1 ;;
    --check) check_only=1 ;;
    -h | --help)
        sed -n '2,8s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        echo "setup.sh: unknown argument '$arg' (try --help)" >&2
        exit 2
        ;;
    esac
done

have_program() { command -v "$1" >/dev/null 2>&1; }
have_header() {
    local header=$1 dir
    for dir in /usr/include /usr/local/include /usr/include/*-linux-gnu; do
        [[ -e $dir/$header ]] && return 0
    done
    return 1
}
have_llhttp() { have_header llhttp.h || [[ -e /usr/share/llhttp/llhttp.c ]]; }
have_clang_runtime() {
    have_program clang++-19 && compgen -G "$(clang++-19 -print-resource-dir)/lib/*/libclang_rt.tsan*" >/dev/null
}
have_cxx() { have_program g++ && have_header stdlib.h; }

missing=() # "package<TAB>why"
# need <test command…> -- <debian package> <fedora package> <arch package> <why>
need() {
    local test_command=()
    while [[ $1 != -- ]]; do
        test_command+=("$1")
        shift
    done
    shift
    "${test_command[@]}" && return 0
    missing+=("$1"$'\t'"$2"$'\t'"$3"$'\t'"$4")
}

# Debian 12 has llhttp only as the C sources inside node-llhttp; Debian 13 has it as a library.
llhttp_package=node-llhttp
os_release=$(cat /etc/os-release 2>/dev/null || true)
if [[ $os_release == *$'\nID=debian'* && $os_release =~ VERSION_ID=\"(1[3-9]|[2-9][0-9]) ]]; then
    llhttp_package=libllhttp-dev
fi

need have_cxx -- g++ gcc-c++ gcc "the C++ compiler"
need have_program cmake -- cmake cmake cmake "describes the build"
need have_program ninja -- ninja-build ninja-build ninja "runs the build"
need have_program pkg-config -- pkg-config pkgconf-pkg-config pkgconf "finds libraries"
need have_program python3 -- python3 python3 python "runs the checks and the tests' helpers"
need have_header liburing.h -- liburing-dev liburing-devel liburing "the io_uring backend"
need have_header openssl/ssl.h -- libssl-dev openssl-devel openssl "TLS"
need have_program openssl -- openssl openssl openssl "makes the certificates of the tests"
need have_program curl -- curl curl curl "a client of the tests, for TLS"
need have_header ares.h -- libc-ares-dev c-ares-devel c-ares "the resolver on c-ares"
need have_llhttp -- "$llhttp_package" llhttp-devel llhttp "the HTTP/1 parser"
need have_header gtest/gtest.h -- libgtest-dev gtest-devel gtest "the tests"
need have_header CLI/CLI.hpp -- libcli11-dev cli11-devel cli11 "the tools' command lines"
need have_header nlohmann/json.hpp -- nlohmann-json3-dev json-devel nlohmann-json "the tests' data files"
if ((want_all)); then
    need have_header asio.hpp -- libasio-dev asio-devel asio "the tests of interop/asio.hpp"
    need have_header glib-2.0/glib.h -- libglib2.0-dev glib2-devel glib2 "the example of a GLib host"
    need have_program clang++-19 -- clang-19 clang clang "the second compiler, and its thread sanitizer"
    need have_clang_runtime -- libclang-rt-19-dev compiler-rt compiler-rt "the sanitizers of the second compiler"
    need have_program clang-query-19 -- clang-tools-19 clang-tools-extra clang "asyncio-lint"
    need have_program clang-format-19 -- clang-format-19 clang-tools-extra clang "the format check"
    need have_program clang-tidy-19 -- clang-tidy-19 clang-tools-extra clang "the lint check"
    need have_program ccache -- ccache ccache ccache "compiles the same thing only once"
    need have_program mold -- mold mold mold "links quickly"
    need have_program valgrind -- valgrind valgrind valgrind "counts the instructions of the benchmarks"
    need have_program strace -- strace strace strace "counts system calls in a test"
fi

((${#missing[@]} == 0)) && exit 0

if have_program apt-get; then
    column=1 manager=apt
elif have_program dnf; then
    column=2 manager=dnf
elif have_program pacman; then
    column=3 manager=pacman
else
    column=1 manager=none
fi

packages=()
echo "asyncio for C++ needs ${#missing[@]} more package(s):"
for line in "${missing[@]}"; do
    IFS=$'\t' read -r debian fedora arch why <<<"$line"
    names=("" "$debian" "$fedora" "$arch")
    packages+=("${names[$column]}")
    printf '  %-22s %s\n' "${names[$column]}" "$why"
done
((check_only)) && exit 1

as_root=()
if ((EUID != 0)); then
    if ! have_program sudo; then
        echo "setup.sh: not root, and there is no sudo: install the packages above as root, then try again" >&2
        exit 1
    fi
    as_root=(sudo)
fi

case $manager in
apt)
    echo "installing them with apt-get${as_root:+ (through sudo)} ..."
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq -y)
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # The package lists are fetched only if installing with those at hand fails: that is most often a minute saved.
    if ! "${apt[@]}" install --no-install-recommends "${packages[@]}" >"$log" 2>&1; then
        if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            echo "setup.sh: apt-get could not install: ${packages[*]}" >&2
            exit 1
        fi
    fi
    ;;
dnf)
    echo "installing them with dnf${as_root:+ (through sudo)} ..."
    "${as_root[@]}" dnf install -y -q "${packages[@]}" || {
        echo "setup.sh: dnf could not install all of: ${packages[*]} (names may differ in your release)" >&2
        exit 1
    }
    ;;
pacman)
    echo "installing them with pacman${as_root:+ (through sudo)} ..."
    "${as_root[@]}" pacman -S --needed --noconfirm "${packages[@]}" || {
        echo "setup.sh: pacman could not install all of: ${packages[*]}" >&2
        exit 1
    }
    ;;
none)
    echo "setup.sh: no apt-get, dnf or pacman here: install the equivalents of the Debian packages above" >&2
    exit 1
    ;;
esac
echo "installed."
