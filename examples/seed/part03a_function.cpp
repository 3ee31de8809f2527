// Part 3, first listing: a function.
//
// Calling a function runs it, from its first line to its last, before the caller goes on.
#include <cstdio>
#include <string>

std::string greet(const std::string& name) {
    std::puts("greet: running");
    return "Hello, " + name + "!";
}

int main() {
    std::puts("before the call");
    const std::string result = greet("World");  // runs here and now
    std::puts("after the call");
    std::printf("result: %s\n", result.c_str());
}
