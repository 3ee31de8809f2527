// expect: handle<E>: E is the type of a leaf; groups are looked into, not matched
#include <asyncio/base/exception_group.hpp>
void f(const asyncio::ExceptionGroup& group) {
    group.handle<asyncio::ExceptionGroup>([](const asyncio::ExceptionGroup&) {}).rethrow_rest();
}
