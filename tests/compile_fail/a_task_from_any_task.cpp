// expect: conversion from|no viable conversion
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> g(asyncio::AnyTask any) {
    asyncio::Task<int> task = any;
    co_return co_await task;
}
