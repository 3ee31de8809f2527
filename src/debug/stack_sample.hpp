// StackSample: where another thread of this process is just now.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace debug {

/// What a loop's thread was doing at one instant. Filled by a signal handler, so everything has its place
/// here before.
struct StackSample {
    static constexpr std::size_t native_max = 64;
    static constexpr std::size_t awaits_max = 64;

    std::uintptr_t native[native_max];  // addresses of instructions, the innermost first
    std::size_t native_count = 0;
    detail::Where awaits[awaits_max];  // of the coroutines of the running task, the innermost first
    std::size_t await_count = 0;
    bool more_awaits = false;
    bool runs_task = false;         // else a callback
    std::uint32_t task_id = 0;      // "Task-N", if it has no name:
    char task_name[64] = {};        // cut
    std::uint64_t entries_run = 0;  // of the pass: this is the last of so many
};

/// How taking one has ended.
enum class Sampled : std::uint8_t {
    taken,
    moved_on,   // the loop is not where it was
    no_signal,  // the program uses SIGURG itself
    no_answer,  // the thread blocks all signals, or does not run
};

/// Stops the thread `tid`, which runs `loop`, for as long as it takes to fill `sample`: with SIGURG, which
/// hardly anybody uses, and whose default is to be ignored, so that a late one does no harm. `pulse` must
/// still be there. Waits for its answer for half a second at most.
///
/// Threads  any but that one; one after another
Sampled sample_stack(const detail::LoopImpl& loop, pid_t tid, std::uint64_t pulse,
                     StackSample& sample) noexcept;

/// Takes a sample's worth of stack here: what the unwinder does the first time only is no signal handler's
/// business.
void warm_up_unwinder() noexcept;

}}}  // namespace asyncio::v1::debug
