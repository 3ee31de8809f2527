// expect: the result of this task cannot be copied: write co_await std::move\(task\)
#include <asyncio/asyncio.hpp>
#include <memory>
asyncio::Coro<> f(asyncio::Future<std::unique_ptr<int>> future) { auto result = co_await future; }
