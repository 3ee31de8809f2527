// MockClock::elapse: a sleep of its own, while the clock jumps from deadline to deadline.
#include "asyncio/testing/mock_clock.hpp"

#include "asyncio/base/error.hpp"
#include "asyncio/task/sleep.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace testing {

Coro<> MockClock::elapse(Duration by) {
    if (detail::impl_of(detail::current_loop)->clock != this) {
        throw ValueError(
            "MockClock::elapse: this is not the loop's clock: run(test(clock), {.clock = &clock})");
    }
    struct Jumping {
        MockClock* clock;
        bool before;
        explicit Jumping(MockClock* c) noexcept : clock(c), before(c->autojump()) {
            clock->set_autojump(true);
        }
        Jumping(const Jumping&) = delete;
        Jumping& operator=(const Jumping&) = delete;
        ~Jumping() { clock->set_autojump(before); }
    };
    const TimePoint until = now() + by;
    co_await wait_all_tasks_blocked();  // who is about to sleep sleeps from now on
    {
        const Jumping jumping(this);
        // Of equal deadlines this one is the youngest, so it comes last.
        co_await sleep_until(until);
    }
    co_await wait_all_tasks_blocked();
}

}}}  // namespace asyncio::v1::testing
