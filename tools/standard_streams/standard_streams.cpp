#include "standard_streams/standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

void fill_closed_standard_streams() {
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
        if (::fcntl(stream, F_GETFD) >= 0) continue;
        // The lower ones are open by now, so it gets this very number.
        if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) == stream) continue;
        std::perror("a standard stream is closed, and /dev/null cannot take its place");
        std::_Exit(1);
    }
}
