// expect: map: the function cannot be called with one item of the source
#include <asyncio/asyncio.hpp>
#include <vector>
asyncio::Coro<int> sum(int a, int b);
auto f(std::vector<int>& numbers) { return asyncio::map(2, numbers, sum); }
