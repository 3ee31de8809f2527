// The progress bar: one line at the bottom of a terminal, redrawn in place.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>

namespace fetch {

class Progress {
  public:
    /// Draws nothing if `enabled` is false.
    Progress(std::size_t total, bool enabled);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { clear(); }

    /// One more is done; redraws at most some twenty times a second.
    void done_one(bool ok);
    void draw();
    /// Takes the bar away, before something else is printed.
    void clear();

  private:
    std::size_t total_;
    std::size_t done_ = 0;
    std::size_t failed_ = 0;
    bool enabled_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point started_;
    std::chrono::steady_clock::time_point last_{};
};

}  // namespace fetch
