// expect: yields by reference lives only until its next item is asked for, so each call gets a copy
#include <asyncio/asyncio.hpp>
#include <memory>
asyncio::AsyncGenerator<std::unique_ptr<int>&> lends();
asyncio::Coro<> use(const std::unique_ptr<int>& item);
auto f() { return asyncio::map(2, lends(), use); }
