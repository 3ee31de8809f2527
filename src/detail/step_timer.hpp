// StepTimer: how long one entry of the ready queue takes, for debug mode.
#pragma once
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Begins with the entry `word`, which is about to run. What it looks at afterwards it keeps alive.
class StepTimer {
  public:
    StepTimer(LoopImpl& loop, std::uintptr_t word) noexcept;
    StepTimer(const StepTimer&) = delete;
    StepTimer& operator=(const StepTimer&) = delete;
    ~StepTimer() {
        if (record_ != nullptr) release(record_);
    }
    /// It has run: warns if that took too long.
    void stop() const noexcept;

  private:
    std::string what() const;
    std::string where() const;

    LoopImpl& loop_;
    std::uint64_t began_;
    Tag tag_;
    PromiseBase* record_ = nullptr;  // a task that runs, or what is done and told so
    Where from_ = nullptr;           // of a task: the await after which it goes on
    const char* leaf_ = nullptr;     // of what is no coroutine
};

}}}  // namespace asyncio::v1::detail
