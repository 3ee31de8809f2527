#include "asyncio/process/environment.hpp"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 {

std::map<std::string, std::string> current_environment() {
    std::map<std::string, std::string> variables;
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
        const std::string_view text(*each);
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return variables;
}

TerminalSize get_terminal_size(int descriptor) {
    winsize size{};
    if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0)
        throw_os_error(errno, "get_terminal_size: descriptor " + std::to_string(descriptor));
    return TerminalSize{size.ws_col, size.ws_row};
}

}}  // namespace asyncio::v1
