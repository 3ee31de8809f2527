// expect: deleted
// expect: one consumer at a time: write std::move\(generator\)
#include <asyncio/asyncio.hpp>
void f(const asyncio::AsyncGenerator<int>& generator) { asyncio::AsyncGenerator<int> copy = generator; }
