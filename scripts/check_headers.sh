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

# Of the Asio adapter the other half, in use, where Boost is here.
boost=""
if echo '#include <boost/asio.hpp>' | "${compilers[0]}" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then
    boost=", interop/asio.hpp with Boost.Asio, too"
    for compiler in "${compilers[@]}"; do
        if ! "$compiler" -std=c++20 -Wall -Wextra -Werror -DASYNCIO_USE_BOOST_ASIO -fsyntax-only -Iinclude -x c++ - <<'END'; then
#include "asyncio/interop/asio.hpp"
#include <boost/asio.hpp>
asyncio::Coro<std::size_t> reads_later(boost::asio::steady_timer& timer, boost::asio::ip::tcp::socket& socket) {
    co_await timer.async_wait(asyncio::interop::use_coro);
    char bytes[3];
    co_return co_await boost::asio::async_read(socket, boost::asio::buffer(bytes), asyncio::interop::use_coro);
}
END
            echo "check_headers: interop/asio.hpp does not compile with Boost.Asio and $compiler" >&2
            exit 1
        fi
    done
fi
echo "headers: ${#headers[@]} headers compile alone with ${compilers[*]}$boost"
