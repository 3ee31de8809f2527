// expect: dangling
// only: clang++
// flags: -Werror=dangling -Werror=dangling-gsl
#include <string>
#include <asyncio/asyncio.hpp>
std::string name();
asyncio::TaskOptions f() {
    asyncio::TaskOptions options{.name = name()};
    return options;
}
