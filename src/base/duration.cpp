#include "asyncio/base/duration.hpp"

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

void throw_nan_duration() { throw ValueError("a duration is not a number (NaN)"); }

}}}  // namespace asyncio::v1::detail
