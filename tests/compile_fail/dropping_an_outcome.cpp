// expect: ignoring return(ed)? value
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Outcome<int> h();
void g() { h(); }
