// expect: the result of this task cannot be copied: write co_await std::move\(task\)
#include <asyncio/asyncio.hpp>
#include <memory>
asyncio::Coro<> f(asyncio::Task<std::unique_ptr<int>> task) { auto result = co_await task; }
