// wait: until some of several tasks are done.
#pragma once
#include <iterator>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/task/future.hpp"

namespace asyncio { inline namespace v1 {

/// When `wait` returns.
enum class ReturnWhen : unsigned char {
    first_completed,  ///< one is done
    first_exception,  ///< one has failed, or all are done
    all_completed,    ///< all are done
};
inline constexpr ReturnWhen FIRST_COMPLETED = ReturnWhen::first_completed;
inline constexpr ReturnWhen FIRST_EXCEPTION = ReturnWhen::first_exception;
inline constexpr ReturnWhen ALL_COMPLETED = ReturnWhen::all_completed;

/// Options of `wait`. All members may be left out.
struct WaitOptions {
    Duration timeout = Duration::none();  ///< how long at most; it is no error when the time is up
    ReturnWhen return_when = ALL_COMPLETED;
};
static_assert(OptionStruct<WaitOptions>);

/// What `wait` gives: each task is in one of the two, in the order of the arguments.
template <class H>
struct WaitResult {
    std::vector<H> done;
    std::vector<H> pending;
};

namespace detail {

class WaitCore : public Leaf {
  public:
    WaitCore(std::vector<RecordRef> records, WaitOptions options);
    /// Before it is awaited.
    WaitCore(WaitCore&& other) : WaitCore(std::move(other.records_), other.options_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    ~WaitCore() { stop(); }
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        start();
    }

  protected:
    void finish();
    std::vector<RecordRef> records_;

  private:
    friend PromiseBase* awaiting_wait(const Waiter* waiter) noexcept;
    struct Listener : Waiter {
        WaitCore* wait;
        Listener(WaitCore* w, void (*n)(Waiter*, PromiseBase*) noexcept) noexcept : Waiter(n), wait(w) {}
    };
    struct Clock : Timer {
        WaitCore* wait;
        explicit Clock(WaitCore* w) noexcept;
    };
    void start();
    void stop() noexcept;
    static void one_ended(Waiter* waiter, PromiseBase* record) noexcept;
    void ended(PromiseBase* record) noexcept;
    void resume() noexcept;
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static void run_done_before(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    static const LeafOps clock_ops_;

    WaitOptions options_;
    std::size_t left_ = 0;
    bool watching_ = false;
    bool resumed_ = false;
    Listener listener_;
    Clock limit_;        // the timeout
    Clock done_before_;  // the turn of those that were done at the start
};

template <class H>
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] WaitAwaiter
    : public WaitCore {
  public:
    using WaitCore::WaitCore;
    using LooseAwaitableTag = void;
    WaitResult<H> await_resume() {
        finish();
        WaitResult<H> result;
        for (RecordRef& ref : records_) {
            (ref.record()->is(done) ? result.done : result.pending).push_back(H(ref));
        }
        return result;
    }
};

/// Keeps the first of each.
void drop_duplicates(std::vector<RecordRef>& records);

/// C's wait(int*) has the same name: ours takes nothing that could be meant for it.
template <class R>
concept WaitRange = requires(R& range) {
    std::begin(range);
    std::end(range);
};

/// The records of a range of tasks or futures, each once.
template <class R>
std::vector<RecordRef> distinct_records(R&& range) {
    std::vector<RecordRef> records;
    if constexpr (requires { range.size(); }) records.reserve(range.size());
    for (const auto& each : range) records.push_back(each);
    drop_duplicates(records);
    return records;
}

}  // namespace detail

/// Waits until the tasks (or futures) are done, or as `return_when` says, or for `timeout`. Cancels nothing,
/// throws none of their exceptions: look at the tasks in `done`.
///
/// Throws      ValueError  the range is empty
/// Suspends    always
/// Cancel      the tasks run on
/// Threads     loop thread
/// Python      asyncio.wait; vectors in the order of the arguments instead of sets; takes tasks, no
///             coroutines
template <detail::WaitRange R>
auto wait(R&& tasks, WaitOptions options = WaitOptions()) {
    using H = std::decay_t<decltype(*std::begin(tasks))>;
    static_assert(std::is_base_of_v<detail::RecordRef, H>,
                  "wait takes tasks or futures: start coroutines with asyncio::create_task first");
    return detail::WaitAwaiter<H>(detail::distinct_records(tasks), options);
}
template <class H>
    requires std::is_base_of_v<detail::RecordRef, H>
void wait(const H&, WaitOptions = WaitOptions()) {
    static_assert(
        !sizeof(H),
        "wait takes a range of tasks or futures: await a single one, with asyncio::shield if a cancel "
        "must not reach it");
}

}}  // namespace asyncio::v1
