// The bookkeeping of cancels, as a property: after any outermost scope of a task, cancelling() is what it was
// before it plus the requests that came from outside meanwhile. Timeouts, groups and wait_for make requests
// of their own, and must have taken back exactly those. After an inner scope it may be more, by at most one
// for each scope around it, never less. And no request from outside is lost: in programs that swallow none,
// the task ends cancelled.
//
// Random programs on the simulated backend, one for each seed; the seed also chooses the order of ready
// tasks. A failure names it, and ASYNCIO_SEED=… runs just that one.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/mock_clock.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;

struct World {
    std::uint64_t random_state;
    bool swallows;     // the program may swallow cancels, and uncancel by hand
    AnyTask subject;   // whose counts are checked
    int requests = 0;  // from outside, to the subject; minus what it took back by hand
    int inside = 0;    // scopes that the subject is in
    int scopes = 0;    // that were checked
    int timeouts = 0;
    int groups_failed = 0;
    // A request was still pending when a scope began (a failed group leaves it so): its CancelledError comes
    // inside, and if the scope's own deadline passes just then it becomes TimeoutError, as in Python.
    bool pending_at_entry = false;
    int children_cancelled = 0;  // from outside; whoever awaits one of them ends by CancelledError as well
    std::vector<AnyTask> children;
    std::string trouble;

    World(std::uint64_t seed, bool may_swallow, AnyTask task)
        : random_state(seed), swallows(may_swallow), subject(std::move(task)) {}

    unsigned below(unsigned bound) {
        random_state += 0x9E3779B97F4A7C15u;  // splitmix64
        std::uint64_t z = random_state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return static_cast<unsigned>((z ^ (z >> 31)) % bound);
    }
    Duration time() { return std::chrono::milliseconds(below(6)); }
};

Coro<> node(World* world, int depth);

Coro<> fails_later(World* world) {
    co_await sleep(world->time());
    throw ValueError("a task of the group failed");
}
Coro<> cancels_the_group(World* world, TaskGroup* group) {
    co_await sleep(world->time());
    group->cancel();
}

Coro<> group_node(World* world, int depth) {
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        const unsigned count = world->below(3);
        for (unsigned i = 0; i <= count; ++i) {
            const unsigned kind = world->below(6);
            if (kind == 0) {
                world->children.push_back(group.create_task(fails_later(world)));
            } else if (kind == 1) {
                world->children.push_back(group.create_task(cancels_the_group(world, &group)));
            } else {
                world->children.push_back(group.create_task(node(world, depth + 2)));
            }
        }
        if (world->below(8) == 0) group.cancel();
        co_await node(world, depth + 1);
        if (world->below(8) == 0) throw ValueError("the body of the group failed");
    });
}

Coro<> timeout_node(World* world, int depth) {
    co_await with(timeout(world->time()), [&](Timeout& limit) -> Coro<> {
        co_await node(world, depth + 1);
        if (world->below(4) == 0 && !limit.expired())
            limit.reschedule(get_running_loop().time() + world->time());
        co_await node(world, depth + 1);
    });
}

Coro<> swallow_node(World* world, int depth) {
    bool swallowed = false;
    try {
        co_await node(world, depth + 1);
    } catch (const CancelledError&) {
        swallowed = true;
    }
    const AnyTask self = current_task();
    if (swallowed && self == world->subject && world->requests > 0 && world->below(2) == 0) {
        // One that came from outside is taken back by hand: possible only while no scope's own request is
        // out, else it might be that one. Here the count says so.
        if (self.cancelling() == world->requests) {
            self.uncancel();
            --world->requests;
        }
    }
}

Coro<> choose(World* world, int depth, unsigned kind) {
    switch (kind) {
        case 0:
        case 1: co_await sleep(world->time()); break;
        case 2:
        case 3: co_await timeout_node(world, depth); break;
        case 4: co_await wait_for(node(world, depth + 1), world->time()); break;
        case 5:
        case 6: co_await group_node(world, depth); break;
        case 7: co_await gather(node(world, depth + 3), node(world, depth + 3)); break;
        case 8: {
            // A task of its own; joined whatever happens, so that nothing is left.
            co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
                auto task = group.create_task(node(world, depth + 2));
                world->children.push_back(task);
                co_await wait_for(task, world->time() + Duration(2ms));
            });
            break;
        }
        default:
            if (world->swallows) {
                co_await swallow_node(world, depth);
            } else {
                co_await node(world, depth + 1);
                co_await node(world, depth + 1);
            }
    }
}

/// One scope, checked. Lets CancelledError pass, and nothing else.
Coro<> node(World* world, int depth) {
    const AnyTask self = current_task();
    const bool is_subject = self == world->subject;
    const int count_before = self.cancelling();
    const int requests_before = world->requests;
    if (is_subject) {
        ++world->inside;
        world->pending_at_entry |= self.record()->pending != 0;
    }
    const unsigned kind = depth > 6 ? 0 : world->below(10);
    std::exception_ptr cancelled;
    try {
        co_await choose(world, depth, kind);
    } catch (const TimeoutError&) {
        ++world->timeouts;
    } catch (const ExceptionGroup&) {
        ++world->groups_failed;
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    }
    if (is_subject) {
        ++world->scopes;
        const int expected = count_before + world->requests - requests_before;
        const int scopes_around = world->inside - 1;
        if ((self.cancelling() < expected || self.cancelling() > expected + scopes_around) &&
            world->trouble.empty()) {
            world->trouble = "cancelling() was " + std::to_string(count_before) + ", " +
                             std::to_string(world->requests - requests_before) +
                             " request(s) came from outside, and now it is " +
                             std::to_string(self.cancelling()) + ", after scope " + std::to_string(kind) +
                             " at depth " + std::to_string(depth);
        }
        --world->inside;
    }
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

Coro<> subject_main(World** world) {
    for (int i = 0; i != 5; ++i) co_await node(*world, 0);
    co_await sleep(0s);  // a request that is still pending is delivered here
}

/// Cancels the subject, and tasks of its groups, at random times.
Coro<> saboteur(World* world) {
    const unsigned count = world->below(4);
    for (unsigned i = 0; i != count; ++i) {
        co_await sleep(world->time());
        if (world->below(3) == 0 && !world->children.empty()) {
            world->children[world->below(static_cast<unsigned>(world->children.size()))].cancel();
            ++world->children_cancelled;
        } else if (world->subject.cancel()) {
            ++world->requests;
        }
    }
}

struct Totals {
    int scopes = 0, requests = 0, timeouts = 0, groups_failed = 0, cancelled = 0;
};

/// Runs one program; what is wrong, or nothing.
std::string run_program(std::uint64_t seed, bool swallows, Totals& totals) {
    std::string trouble;
    const auto program = [&]() -> Coro<> {
        World* world_pointer = nullptr;
        Task<> subject = create_task(subject_main(&world_pointer));
        World world(seed, swallows, subject);
        world_pointer = &world;
        Task<> enemy = create_task(saboteur(&world));
        const std::vector<Task<>> both{subject, enemy};
        co_await wait(both);
        const int requests = world.requests;
        trouble = world.trouble;
        if (trouble.empty() && !swallows && requests > 0 && !world.pending_at_entry && !subject.cancelled()) {
            trouble = "a cancel from outside was lost: the task ended without CancelledError";
        }
        if (trouble.empty() && requests == 0 && world.children_cancelled == 0 && subject.cancelled()) {
            trouble = "the task ended by CancelledError, and nobody had cancelled it";
        }
        if (!subject.cancelled()) subject.result();
        enemy.result();
        totals.scopes += world.scopes;
        totals.requests += requests;
        totals.timeouts += world.timeouts;
        totals.groups_failed += world.groups_failed;
        totals.cancelled += subject.cancelled() ? 1 : 0;
    };
    RunOptions options;
    options.backend = Backend::sim;
    options.seed = seed;
    try {
        test::run_and_check(program, options);
    } catch (...) {
        trouble = "the program ended with " + describe(std::current_exception());
    }
    return trouble;
}

class CancelBookkeeping : public test::LoopTest {};

TEST_F(CancelBookkeeping, AScopesRequestThatNobodyHasMetIsTakenBackAlsoWhileOthersCount) {
    // A request from outside is counted, delivered and swallowed. Then a deadline passes between the end of a
    // task and the step that takes its result: the result is delivered, and no await has met the scope's
    // request.
    asyncio::testing::MockClock clock;
    const auto scenario = [](asyncio::testing::MockClock* time) -> Coro<std::string> {
        std::string log;
        current_task().cancel();
        try {
            co_await sleep(0s);
        } catch (const CancelledError&) {
            log += "cancelled";
        }
        Timeout limit = timeout(5ms);
        co_await with(limit, [&]() -> Coro<> {
            // Its last step stands in the ready queue when the deadline comes due behind it.
            auto task = create_task([](asyncio::testing::MockClock* moved) -> Coro<int> {
                moved->advance(5ms);
                co_await sleep(0s);
                co_return 7;
            }(time));
            const int value = co_await wait_for(std::move(task), 1h);
            log += " " + std::to_string(value);
        });
        if (limit.expired()) log += " expired";
        log += " " + std::to_string(current_task().cancelling());
        try {
            co_await sleep(0s);
        } catch (const CancelledError&) {
            log += " and cancelled by nobody";
        }
        co_return log;
    };
    const std::string log = test::run_and_check(scenario(&clock), {.backend = Backend::sim, .clock = &clock});
    EXPECT_EQ(log, "cancelled 7 expired 1");
}

class CancelProperty : public test::LoopTest {
  protected:
    void run_programs(bool swallows, std::uint64_t count) {
        Totals totals;
        // More on demand: ASYNCIO_PROPERTY_RUNS=100000.
        if (const char* more = std::getenv("ASYNCIO_PROPERTY_RUNS")) count = std::strtoull(more, nullptr, 10);
        const char* const only = std::getenv("ASYNCIO_SEED");
        const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
        const std::uint64_t last = only != nullptr ? first : count;
        for (std::uint64_t seed = first; seed <= last; ++seed) {
            const std::string trouble = run_program(seed, swallows, totals);
            ASSERT_EQ(trouble, "") << "again: ASYNCIO_SEED=" << seed;
        }
        if (only != nullptr) return;
        // That the programs are what they are meant to be.
        EXPECT_GT(totals.scopes, static_cast<int>(8 * count));
        EXPECT_GT(totals.requests, static_cast<int>(count / 4));
        EXPECT_GT(totals.timeouts, static_cast<int>(count / 4));
        EXPECT_GT(totals.groups_failed, static_cast<int>(count / 10));
        EXPECT_GT(totals.cancelled, static_cast<int>(count / 10));
    }
};

TEST_F(CancelProperty, EveryScopeLeavesTheCountAsItWasPlusWhatCameFromOutside) { run_programs(true, 400); }

TEST_F(CancelProperty, NoCancelFromOutsideIsLost) { run_programs(false, 400); }

class CancelPropertySlow : public CancelProperty {};

TEST_F(CancelPropertySlow, EveryScopeLeavesTheCountAsItWasPlusWhatCameFromOutside) {
    run_programs(true, 4'000);
}

TEST_F(CancelPropertySlow, NoCancelFromOutsideIsLost) { run_programs(false, 4'000); }

}}  // namespace asyncio
