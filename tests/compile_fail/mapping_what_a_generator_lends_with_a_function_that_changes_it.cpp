// expect: map: the function takes its item by reference, to change it, but each call has an item of its own
// expect: take it by value or by const reference; to change what stays, give a range by name, or yield
// pointers
#include <asyncio/asyncio.hpp>
#include <string>
asyncio::AsyncGenerator<std::string&> lends();
asyncio::Coro<> shorten(std::string& item);
auto f() { return asyncio::map(2, lends(), shorten); }
