// asyncio-backends: prints the names of the backends that this machine lets the library use, best first.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <cstring>

#include "standard_streams/standard_streams.hpp"

int main(int argc, char** argv) {
    fill_closed_standard_streams();
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::puts("asyncio-backends " ASYNCIO_VERSION_STRING);
        return 0;
    }
    if (argc > 1) {
        const bool help = std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0;
        std::fputs(
            "usage: asyncio-backends\nPrints the backends that can be used here: for ASYNCIO_BACKEND= and "
            "{.backend = …}.\n",
            help ? stdout : stderr);
        return help ? 0 : 2;
    }
    try {
        std::printf("%s\n", asyncio::available_backends().c_str());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "asyncio-backends: %s\n", error.what());
        return 1;
    }
}
