// A door between threads.
#pragma once
#include <condition_variable>
#include <mutex>

namespace asyncio::test {

/// A door that a test opens.
class Gate {
  public:
    void open() {
        std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        ++at_the_gate_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }
    void wait_until_somebody_is_there() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return at_the_gate_ != 0; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    int at_the_gate_ = 0;
};

}  // namespace asyncio::test
