// expect: a coroutine returns values: return a pointer or std::reference_wrapper
#include <asyncio/asyncio.hpp>
asyncio::Coro<int&> f(int& n) { co_return n; }
