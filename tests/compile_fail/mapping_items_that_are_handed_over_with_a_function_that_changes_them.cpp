// expect: map: the function takes its item by reference, to change it, but each call has an item of its own
#include <asyncio/asyncio.hpp>
#include <string>
#include <utility>
#include <vector>
asyncio::Coro<> shorten(std::string& item);
auto f(std::vector<std::string> items) { return asyncio::map(2, std::move(items), shorten); }
