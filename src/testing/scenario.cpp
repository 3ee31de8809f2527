// One run of a scenario. The loop's watch calls us before each entry of the ready queue and before each wait:
// these are the steps, counted; at the planned one the main task is cancelled, as by a callback that ran just
// then.
//
// What is left when the main task has ended is looked at twice: while the loop is open (tasks, timers,
// operations), after a moment in which the kernel may finish what was closed; and when it is closed
// (descriptors, frames).
#include "testing/scenario.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <optional>
#include <thread>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/runner.hpp"
#include "asyncio/testing/mock_clock.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace testing { namespace detail {

namespace {

std::vector<std::string> open_descriptors() {
    std::vector<std::string> found;
    DIR* const folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return found;
    while (const dirent* entry = ::readdir(folder)) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == ::dirfd(folder)) continue;
        char target[256];
        const ssize_t length = ::readlinkat(::dirfd(folder), entry->d_name, target, sizeof target);
        found.push_back(std::string(entry->d_name) + " -> " +
                        std::string(target, length > 0 ? static_cast<std::size_t>(length) : 0));
    }
    ::closedir(folder);
    std::sort(found.begin(), found.end());
    return found;
}

std::string describe_entry(std::uintptr_t entry) {
    void* const target = reinterpret_cast<void*>(entry & ~std::uintptr_t{tag_mask});
    if (entry == 0) return "when nothing was ready";
    switch (entry & tag_mask) {
        case tag_frame: {
            const auto* frame = static_cast<const PromiseBase*>(target);
            return (frame->task->is(started) ? "before a step of " : "before the first step of ") +
                   record_name(frame->task) + " in " + coroutine_name(frame->where) + " (" +
                   place_text(frame->where) + ")";
        }
        case tag_leaf:
        case tag_turn:
            return std::string("before the turn of a ") + static_cast<const Leaf*>(target)->ops->what;
        case tag_done:
            return "before the waiters of " + record_name(static_cast<const PromiseBase*>(target)) +
                   " were told";
        case tag_sleeper: return "before the turn of a timer of sleep";
        default:
            return target == nullptr ? "before the turn of a timer that was withdrawn"
                                     : std::string("before the turn of a timer of ") +
                                           static_cast<const Timer*>(target)->ops->what;
    }
}

class Watch final : public LoopWatch {
  public:
    Watch(LoopImpl& loop, const RunPlan& plan, unsigned steps_max) noexcept
        : loop_(loop), plan_(plan), steps_max_(steps_max) {
        loop_.watch = this;
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() {
        loop_.watch = nullptr;
        if (victim_ != nullptr) release(victim_);
        if (main_ != nullptr) release(main_);
    }

    void at_step(std::uintptr_t entry) noexcept override {
        if (main_ == nullptr) {
            main_ = loop_.live.live.next;  // the only task so far
            ++main_->refs;
        }
        if (main_->ended()) return;
        ++steps_;
        if (steps_ == plan_.first_cancel) {
            choose_victim();
            moment_ =
                (plan_.victim != 0 ? record_name(victim_) + ", " : std::string()) + describe_entry(entry);
            request_cancel(victim_);
        }
        if (steps_ == plan_.second_cancel) {
            request_cancel(victim_);
            second_came_ = true;
        }
        if (steps_ > steps_max_) loop_.request_stop();
    }
    void at_choice(std::uint64_t below) noexcept override {
        if (plan_.choices != nullptr) plan_.choices->push_back(below);
    }

    bool cancel_came() const noexcept { return plan_.second_cancel != 0 ? second_came_ : !moment_.empty(); }
    const std::string& moment() const noexcept { return moment_; }
    bool too_many_steps() const noexcept { return steps_ > steps_max_; }
    unsigned alive() const noexcept { return alive_; }

  private:
    /// One that is not there any more leaves the main task.
    void choose_victim() noexcept {
        victim_ = main_;
        for (PromiseBase* each = loop_.live.live.next; each != &loop_.live; each = each->live.next) {
            if (alive_++ == plan_.victim) victim_ = each;
        }
        ++victim_->refs;
    }

    LoopImpl& loop_;
    const RunPlan& plan_;
    unsigned steps_max_;
    PromiseBase* main_ = nullptr;
    PromiseBase* victim_ = nullptr;  // from the first cancel on
    unsigned steps_ = 0;
    unsigned alive_ = 0;  // tasks, at the first cancel
    bool second_came_ = false;
    std::string moment_;
};

/// Stops a loop that takes too long; in real time only, so that it does not hide a deadlock.
class Limit : Timer {
  public:
    Limit(LoopImpl& loop, Duration after) : Timer(&ops_), loop_(loop) {
        if (loop.clock != nullptr || !after.has_value()) return;
        arm_timer(&loop, this, loop.backend->now() + static_cast<std::uint64_t>(after.count_ns()));
    }
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;
    ~Limit() {
        if (armed()) disarm_timer(&loop_, this);
    }
    bool passed() const noexcept { return passed_; }

  private:
    static CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }
    static void due(Leaf* leaf) noexcept {
        auto* const limit = static_cast<Limit*>(leaf);
        limit->passed_ = true;
        limit->loop_.request_stop();
    }
    static constexpr LeafOps ops_{&unasked, &due, "limit"};

    LoopImpl& loop_;
    bool passed_ = false;
};

class Run {
  public:
    Run(Scenario& scenario, const CancelPointOptions& options, const RunPlan& plan)
        : scenario_(scenario),
          options_(options),
          plan_(plan),
          descriptors_(open_descriptors()),
          blocks_(blocks_in_use()) {}

    RunReport execute() {
        run_loop();
        if (reports_.empty() || options_.may_report) {
            look_for_leaks();
            CancelPoint point;
            point.backend = plan_.backend;
            point.step = report_.cancel_came ? plan_.first_cancel : 0;
            point.victim = plan_.victim;
            point.cancelled = report_.cancelled;
            check(point);
        } else {
            fail("the exception handler was told: " + reports_);
        }
        return report_;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        std::string text = what + "\n  on " + std::string(to_string(plan_.backend));
        if (plan_.first_cancel != 0 && !moment_.empty()) {
            text += ", cancelled at step " + std::to_string(plan_.first_cancel);
            if (plan_.victim != 0) text += ":" + std::to_string(plan_.victim);
            if (plan_.second_cancel != 0) text += " and " + std::to_string(plan_.second_cancel);
            text += ", " + moment_;
        }
        text += "\n  again: ASYNCIO_BACKEND=" + std::string(to_string(plan_.backend));
        if (plan_.first_cancel != 0) {
            text += " ASYNCIO_CANCEL_STEP=" + std::to_string(plan_.first_cancel);
            if (plan_.victim != 0) text += ":" + std::to_string(plan_.victim);
            if (plan_.second_cancel != 0)
                text += "+" + std::to_string(plan_.second_cancel - plan_.first_cancel);
        }
        text += " ASYNCIO_SEED=" + std::to_string(plan_.seed);
        throw Failure(text);
    }

    void run_loop() {
        std::optional<MockClock> clock;
        RunOptions run;
        run.backend = plan_.backend;
        run.seed = plan_.seed;
        run.debug = options_.debug;
        if (options_.virtual_time && plan_.backend != Backend::sim) run.clock = &clock.emplace(true);
        EventLoop loop(run);
        LoopImpl& impl = loop.impl();
        loop.set_exception_handler([this](EventLoop&, const ExceptionContext& context) {
            reports_ += context.message + ": " + context.task_name +
                        (context.exception != nullptr ? ": " + describe(context.exception) : std::string()) +
                        "; ";
        });
        std::string trouble;
        {
            Watch watch(impl, plan_, options_.steps_max);
            const Limit limit(impl, options_.limit);
            std::exception_ptr error;
            try {
                loop.run_until_complete(scenario_.start());
            } catch (...) {
                error = std::current_exception();
            }
            moment_ = watch.moment();
            report_.cancel_came = watch.cancel_came();
            report_.alive = watch.alive();
            report_.cancelled = error != nullptr && is_cancelled(error);
            if (limit.passed() || watch.too_many_steps()) {
                trouble = std::string(limit.passed() ? "the scenario has not ended in time"
                                                     : "the scenario takes too many steps") +
                          "; what lives:\n" + impl.list_tasks();
            } else if (report_.cancelled && moment_.empty()) {
                trouble = "the scenario ended by CancelledError although nobody had cancelled it";
            } else if (error != nullptr && !report_.cancelled && !(options_.may_fail && !moment_.empty())) {
                trouble = "the scenario ended with " + describe(error);
            }
        }
        if (trouble.empty()) trouble = what_is_left(loop);
        loop.close();
        if (!trouble.empty()) fail(trouble);
    }

    std::string what_is_left(EventLoop& loop) {
        LoopImpl& impl = loop.impl();
        if (impl.task_count != 0) {
            if (options_.tasks_may_remain) return {};
            return "the scenario has ended, and these tasks live on:\n" + impl.list_tasks();
        }
        // What was closed may take the kernel a moment; threads that were left behind, their time.
        const std::uint64_t until = impl.backend->now() + 2'000'000'000;
        while (impl.ready.size() != 0 || impl.backend->in_flight() != 0 || impl.thread_jobs != 0) {
            if (impl.backend->now() > until) break;
            impl.clock == nullptr ? loop.poll_once(std::chrono::milliseconds(1)) : loop.poll_once();
        }
        if (impl.backend->in_flight() != 0) {
            return "the scenario has ended, and the kernel still holds " +
                   std::to_string(impl.backend->in_flight()) + " operation(s)";
        }
        if (impl.timers.size() != 0) {
            return "the scenario has ended, and " + std::to_string(impl.timers.size()) +
                   " timer(s) are armed";
        }
        if (!impl.idle_waiters.empty())
            return "the scenario has ended, and a waiter for all tasks to be blocked is left";
        return {};
    }

    /// A descriptor that was not there before the run; empty if there is none.
    std::string new_descriptor() const {
        for (std::string& each : open_descriptors()) {
            if (std::find(descriptors_.begin(), descriptors_.end(), each) == descriptors_.end())
                return std::move(each);
        }
        return {};
    }

    void look_for_leaks() const {
        // An abandoned name look-up may be reading /etc/hosts on its own thread, after the loop has gone.
        std::string leaked = new_descriptor();
        for (int milliseconds = 0; !leaked.empty() && milliseconds < 2000; ++milliseconds) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            leaked = new_descriptor();
        }
        if (!leaked.empty()) fail("a descriptor leaked: " + leaked);
        const auto blocks = blocks_in_use() - blocks_;
        if (blocks != 0) fail("coroutine frames, tasks or futures leaked: " + std::to_string(blocks));
    }

    void check(const CancelPoint& point) {
        if (!scenario_.holds) return;
        bool holds = false;
        std::string why = "the check after the run is false";
        try {
            holds = scenario_.holds(point);
        } catch (...) {
            why = "the check after the run threw " + describe(std::current_exception());
        }
        if (!holds) fail(why);
    }

    Scenario& scenario_;
    const CancelPointOptions& options_;
    const RunPlan& plan_;
    std::vector<std::string> descriptors_;
    std::ptrdiff_t blocks_;
    RunReport report_;
    std::string moment_;   // when the cancel came; empty: it did not
    std::string reports_;  // to the exception handler
};

}  // namespace

RunReport run_scenario(Scenario& scenario, const CancelPointOptions& options, const RunPlan& plan) {
    return Run(scenario, options, plan).execute();
}

std::uint64_t seed_of_environment() {
    const char* const value = std::getenv("ASYNCIO_SEED");
    return value != nullptr ? std::strtoull(value, nullptr, 10) : 0;
}

}}}}  // namespace asyncio::v1::testing::detail
