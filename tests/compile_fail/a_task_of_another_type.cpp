// expect: conversion from|no viable conversion
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> one() { co_return 1; }
asyncio::Coro<> g() {
    asyncio::Task<long> task = asyncio::create_task(one());
    co_await task;
}
