// The scenarios of async generators and of what is made of them: see scenarios.hpp.
#pragma once
#include "asyncio/core/coro.hpp"

namespace asyncio::test {

Coro<> async_generator_iterated();
Coro<> async_generator_closed();
Coro<> enumerate_of_a_zip();
Coro<> merged();
Coro<> mapped();
Coro<> gathered_with_a_limit();
Coro<> retried();

}  // namespace asyncio::test
