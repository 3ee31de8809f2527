#include "fetch/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace fetch {

namespace {

constexpr auto redraw_interval = std::chrono::milliseconds(50);

std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

}  // namespace

Progress::Progress(std::size_t total, bool enabled)
    : total_(total), enabled_(enabled && total > 0), started_(std::chrono::steady_clock::now()) {
    draw();
}

void Progress::done_one(bool ok) {
    ++done_;
    if (!ok) ++failed_;
    if (!enabled_) return;
    const auto now = std::chrono::steady_clock::now();
    if (done_ != total_ && now - last_ < redraw_interval) return;
    draw();
}

void Progress::draw() {
    if (!enabled_) return;
    last_ = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(last_ - started_).count();
    char tail[96];
    int tail_length = std::snprintf(tail, sizeof tail, " %zu/%zu", done_, total_);
    if (failed_ != 0)
        tail_length += std::snprintf(tail + tail_length, sizeof tail - static_cast<std::size_t>(tail_length),
                                     ", %zu failed", failed_);
    tail_length += std::snprintf(tail + tail_length, sizeof tail - static_cast<std::size_t>(tail_length),
                                 " %.1f s", seconds);
    const std::size_t width = terminal_width();
    const std::size_t used =
        static_cast<std::size_t>(tail_length) + 3;  // the brackets, and a free last column
    const std::size_t bar = width > used + 10 ? (width - used < 60 ? width - used : 60) : 0;
    std::string line = "\r\x1b[2K";
    if (bar != 0) {
        const std::size_t full = bar * done_ / total_;
        line += '[';
        line.append(full, '#');
        line.append(bar - full, '.');
        line += ']';
    }
    line += tail;
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
}

void Progress::clear() {
    if (!drawn_) return;
    std::fputs("\r\x1b[2K", stderr);
    std::fflush(stderr);
    drawn_ = false;
}

}  // namespace fetch
