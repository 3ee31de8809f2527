// expect: the result of this task cannot be copied: write co_await std::move\(task\)
#include <memory>
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f(asyncio::Task<std::unique_ptr<int>> task) { auto result = co_await task; }
