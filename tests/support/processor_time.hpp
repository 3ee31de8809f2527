// The processor time of this thread: for tests of what grows with the number of things. Other programs do not
// count in it.
#pragma once
#include <ctime>

namespace asyncio::test {

inline double processor_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace asyncio::test
