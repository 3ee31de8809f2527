// expect: map: the function must give a coroutine
#include <asyncio/asyncio.hpp>
int twice(int i) { return 2 * i; }
void f(std::vector<int>& numbers) { static_cast<void>(asyncio::map(2, numbers, twice)); }
