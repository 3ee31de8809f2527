// for_each_cancel_point: a scenario, cancelled at its first step, its second, its third …
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/function.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/backend.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/testing/failure.hpp"

namespace asyncio { inline namespace v1 { namespace testing {

/// Whom `for_each_cancel_point` cancels.
enum CancelVictims : std::uint8_t {
    main_task,  ///< the scenario
    any_task,   ///< at each step each task that is alive then, in a run of its own: children, helpers, the
                ///< scenario
};

/// Options of `for_each_cancel_point`. All members may be left out.
struct CancelPointOptions {
    Backend backend =
        Backend::automatic;     ///< one backend; automatic: sim and all real ones that are to be had
    bool simulate = true;       ///< false: the scenario uses sockets, which sim does not have
    bool virtual_time = false;  ///< a clock that jumps on the real backends, too
    bool twice = false;         ///< also two cancels: at the same step, and the second up to 6 steps later
    bool may_fail = false;      ///< the scenario may end with an exception other than CancelledError
    bool tasks_may_remain = false;  ///< tasks may outlive the scenario: the closing loop cancels them
    bool may_report = false;        ///< exceptions may be handed to the loop's exception handler
    bool debug = false;             ///< the loop's debug mode
    unsigned seeds = 0;             ///< sim: so many random orders of ready tasks besides FIFO
    unsigned steps_max = 5'000;     ///< a scenario that takes more is taken for one that never ends
    Duration limit = std::chrono::seconds(20);  ///< of one run, in real time
    CancelVictims victims = main_task;          ///< any_task: many more runs
};
static_assert(OptionStruct<CancelPointOptions>);

/// What was done.
struct CancelPoints {
    unsigned runs = 0;       ///< of the scenario
    unsigned cancelled = 0;  ///< … that ended by CancelledError
    unsigned survived = 0;   ///< … that were cancelled and ended otherwise
};

/// What a check after each run is told.
struct CancelPoint {
    Backend backend = Backend::automatic;
    unsigned step = 0;    ///< of the cancel, from 1; 0: this run was not cancelled
    unsigned victim = 0;  ///< 0: the scenario; with `any_task` also 1, 2 …: the other tasks, the oldest first
    bool cancelled = false;  ///< the scenario ended by CancelledError
};

namespace detail {

struct Scenario {
    UniqueFunction<Coro<>()> start;
    UniqueFunction<bool(const CancelPoint&)> holds;  // may be empty
};

CancelPoints run_cancel_points(Scenario& scenario, const CancelPointOptions& options);

template <class T>
Coro<> without_result(Coro<T> coro) {
    static_cast<void>(co_await std::move(coro));
}
template <class F>
Coro<> start_scenario(F& function) {
    auto coro = function();
    if constexpr (std::is_same_v<decltype(coro), Coro<>>) {
        return coro;
    } else {
        return without_result(std::move(coro));
    }
}

template <class Check>
bool call_check(Check& check, const CancelPoint& point) {
    const auto call = [&]() -> decltype(auto) {
        if constexpr (std::is_invocable_v<Check&, const CancelPoint&>) {
            return check(point);
        } else {
            return check();
        }
    };
    if constexpr (std::is_void_v<decltype(call())>) {
        call();
        return true;
    } else {
        return static_cast<bool>(call());
    }
}

}  // namespace detail

/// Runs `scenario`, a callable that gives a fresh coroutine each time, as the main task of a loop of its own,
/// and cancels that task at step 1; then anew, at step 2; and so on, until it ends before its cancel would
/// have come. All that on sim, epoll and io_uring.
///
/// A step is each moment at which something else could have cancelled it: before each entry of the loop's
/// ready queue is run (the task's own resumptions, those of others, timers and callbacks that are due), and
/// each time nothing is ready and the loop is about to wait. Step 1 comes before the task has started.
///
/// With `{.victims = any_task}` each other task that is alive at the step is cancelled as well, in a run of
/// its own: as somebody does who cancels all_tasks(). The scenario may then end with CancelledError, since it
/// may wait for one.
///
/// After each run nothing may be left: no live task, timer, operation in flight, descriptor, coroutine frame,
/// future; and no exception may have gone to the exception handler. Then `check` is called, if there is one:
/// with a `CancelPoint` or nothing; what it throws, or false, is a failure.
///
/// Throws      Failure  names the step, the backend, and the environment that runs just this again:
///             ASYNCIO_BACKEND, ASYNCIO_CANCEL_STEP, ASYNCIO_SEED
/// Threads     a thread that runs no loop
template <class F>
CancelPoints for_each_cancel_point(F&& scenario, CancelPointOptions options = CancelPointOptions()) {
    detail::Scenario made{[&scenario] { return detail::start_scenario(scenario); }, nullptr};
    return detail::run_cancel_points(made, options);
}
template <class F, class Check>
    requires(!std::is_same_v<std::decay_t<Check>, CancelPointOptions>)
CancelPoints for_each_cancel_point(F&& scenario, Check&& check,
                                   CancelPointOptions options = CancelPointOptions()) {
    detail::Scenario made{[&scenario] { return detail::start_scenario(scenario); },
                          [&check](const CancelPoint& point) { return detail::call_check(check, point); }};
    return detail::run_cancel_points(made, options);
}

}}}  // namespace asyncio::v1::testing
