// expect: run_in_executor: the call may outlive the caller
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f(asyncio::ThreadPoolExecutor& pool) {
    int n = 0;
    co_await asyncio::get_running_loop().run_in_executor(pool, [&n] { ++n; });
}
