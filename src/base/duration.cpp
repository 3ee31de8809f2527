#include "asyncio/base/duration.hpp"

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

void throw_nan_duration() { throw ValueError("a duration is not a number (NaN)"); }

}  // namespace detail

std::string to_string(Duration duration) {
    if (duration.is_infinite()) return "for ever";
    const std::int64_t ns = duration.count_ns();
    const std::uint64_t length =
        ns < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
    std::string text = (ns < 0 ? "-" : "") + std::to_string(length / 1'000'000'000);
    if (const std::uint64_t rest = length % 1'000'000'000; rest != 0) {
        const std::string digits = std::to_string(1'000'000'000 + rest).substr(1);
        text += "." + digits.substr(0, digits.find_last_not_of('0') + 1);
    }
    return text + " s";
}

}}  // namespace asyncio::v1
