// expect: dangling
// only: clang++
// flags: -Werror=dangling -Werror=dangling-gsl
#include <asyncio/asyncio.hpp>
#include <string>
std::string name();
asyncio::TaskOptions f() {
    asyncio::TaskOptions options{.name = name()};
    return options;
}
