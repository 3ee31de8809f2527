// expect: wrap a pointer to a data member in a lambda
#include <asyncio/base/function.hpp>
struct Counter {
    int count = 0;
};
asyncio::UniqueFunction<int(Counter&)> count(&Counter::count);
