// expect: deleted
// expect: A bare number has no unit: write 2s, 100ms, 0s
#include <asyncio/asyncio.hpp>
asyncio::WaitOptions options{.timeout = 1.5};
