// What became of one URL.
#pragma once
#include <cstdint>
#include <string>

namespace fetch {

struct Result {
    std::string url;
    int status = 0;           // 0: no response
    std::uint64_t bytes = 0;  // of the body
    double seconds = 0;       // from the start to the last byte, or to the failure
    double started = 0;       // on the run's clock, seconds
    double answered = 0;      // … when the response's head was there; 0: never
    std::string error;        // the cause; empty if it succeeded

    bool ok() const noexcept { return error.empty(); }
};

struct Totals {
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    std::uint64_t bytes = 0;
    double seconds = 0;

    void add(const Result& result) noexcept {
        ++(result.ok() ? ok : failed);
        bytes += result.bytes;
    }
};

}  // namespace fetch
