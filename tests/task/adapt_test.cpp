// adapt(x) and from_callback: what ends in another library, on whatever thread.
#include "asyncio/task/adapt.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/testing.hpp"
#include "detail/loop_impl.hpp"
#include "support/gate.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

// ---- another library ----------------------------------------------------------------------------

/// Resumes whoever awaits it on a thread of its own; gives what it was told to.
template <class T>
class Elsewhere {
  public:
    explicit Elsewhere(T value) : value_(std::move(value)) {}
    Elsewhere(Elsewhere&& other) noexcept : value_(std::move(other.value_)) {}
    ~Elsewhere() {
        if (thread_.joinable()) thread_.join();
    }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
        thread_ = std::thread([h] { h.resume(); });
    }
    T await_resume() { return std::move(value_); }

  private:
    T value_;
    std::thread thread_;
};

/// Keeps the handle until somebody comes for it.
struct Shelf {
    std::coroutine_handle<> waiting;
    int value = 0;
    std::exception_ptr error;
    bool ready = false;
    int resumes = 0;

    auto operator co_await() {
        struct Awaiter {
            Shelf& shelf;
            bool await_ready() const noexcept { return shelf.ready; }
            void await_suspend(std::coroutine_handle<> h) const noexcept { shelf.waiting = h; }
            int& await_resume() const {
                ++shelf.resumes;
                if (shelf.error != nullptr) std::rethrow_exception(shelf.error);
                return shelf.value;
            }
        };
        return Awaiter{*this};
    }
    void complete(int v) {
        value = v;
        std::exchange(waiting, nullptr).resume();
    }
};

/// A lazy coroutine of the other library, with symmetric transfer.
template <class T>
struct Lazy {
    struct promise_type {
        std::coroutine_handle<> continuation;
        std::optional<T> value;
        Lazy get_return_object() { return Lazy{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct Back {
                bool await_ready() const noexcept { return false; }
                std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
                    return h.promise().continuation;
                }
                void await_resume() const noexcept {}
            };
            return Back();
        }
        void return_value(T v) { value = std::move(v); }
        void unhandled_exception() { std::terminate(); }
    };
    explicit Lazy(std::coroutine_handle<promise_type> h) : handle(h) {}
    Lazy(Lazy&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    ~Lazy() {
        if (handle) handle.destroy();
    }
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) {
        handle.promise().continuation = h;
        return handle;
    }
    T await_resume() { return std::move(*handle.promise().value); }
    std::coroutine_handle<promise_type> handle;
};

Lazy<std::string> lazy_text(Shelf* shelf) {
    if (shelf != nullptr) {
        const int value = co_await *shelf;
        co_return "after " + std::to_string(value);
    }
    co_return "at once";
}

class AdaptTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(AdaptTest);

// ---- adapt --------------------------------------------------------------------------------------

TEST_P(AdaptTest, TheTaskGoesOnInItsLoopWhateverThreadResumesIt) {
    run([]() -> Coro<> {
        const auto here = std::this_thread::get_id();
        int got = co_await adapt(Elsewhere<int>(5));
        EXPECT_EQ(got, 5);
        EXPECT_EQ(std::this_thread::get_id(), here);
        MoveOnly moved = co_await adapt(Elsewhere<MoveOnly>(MoveOnly(3)));
        EXPECT_EQ(moved.value(), 3);
        Elsewhere<std::string> named("text");
        std::string text = co_await adapt(named);
        EXPECT_EQ(text, "text");
    });
}

/// Of a library that has its operator beside the type.
struct Beside {
    Shelf* shelf;
};
auto operator co_await(const Beside& beside) { return beside.shelf->operator co_await(); }

TEST_P(AdaptTest, TakesAFreeOperatorCoAwait) {
    run([]() -> Coro<> {
        Shelf shelf;
        get_running_loop().call_soon([&] { shelf.complete(7); });
        const Beside named{&shelf};
        int got = co_await adapt(named);
        EXPECT_EQ(got, 7);
    });
}

TEST_P(AdaptTest, GivesReferencesAndExceptions) {
    run([]() -> Coro<> {
        Shelf shelf;
        get_running_loop().call_soon([&] { shelf.complete(7); });
        int& got = co_await adapt(shelf);
        EXPECT_EQ(&got, &shelf.value);
        EXPECT_EQ(got, 7);
        shelf.error = std::make_exception_ptr(ValueError("theirs"));
        get_running_loop().call_soon([&] { shelf.complete(8); });
        std::string text;
        try {
            co_await adapt(shelf);
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "theirs");
    });
}

TEST_P(AdaptTest, OneThatIsReadyDoesNotSuspend) {
    run([]() -> Coro<> {
        Shelf shelf;
        shelf.ready = true;
        shelf.value = 4;
        bool turned = false;
        get_running_loop().call_soon([&] { turned = true; });
        int got = co_await adapt(shelf);
        EXPECT_EQ(got, 4);
        EXPECT_FALSE(turned);
        struct NotAfterAll {
            bool await_ready() const noexcept { return false; }
            bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
            int await_resume() const noexcept { return 9; }
        };
        got = co_await adapt(NotAfterAll());
        EXPECT_EQ(got, 9);
        EXPECT_FALSE(turned);
        co_await sleep(0s);
        EXPECT_TRUE(turned);
    });
}

TEST_P(AdaptTest, CoroutinesOfTheOtherLibraryRunUntilTheySuspend) {
    run([]() -> Coro<> {
        std::string text = co_await adapt(lazy_text(nullptr));
        EXPECT_EQ(text, "at once");
        Shelf shelf;
        get_running_loop().call_soon([&] { shelf.complete(2); });
        text = co_await adapt(lazy_text(&shelf));
        EXPECT_EQ(text, "after 2");
        auto [a, b] = co_await gather(adapt(Elsewhere<int>(1)), adapt(lazy_text(nullptr)));
        EXPECT_EQ(a, 1);
        EXPECT_EQ(b, "at once");
    });
}

TEST_P(AdaptTest, WhatThrowsWhenItIsToSuspendThrowsHere) {
    run([]() -> Coro<> {
        struct Refuses {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<>) const { throw ValueError("not now"); }
            void await_resume() const noexcept {}
        };
        std::string text;
        try {
            co_await adapt(Refuses());
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "not now");
        co_await sleep(0s);
    });
}

TEST_P(AdaptTest, AHandleThatIsDestroyedInsteadOfResumedIsAnErrorThatSaysWhere) {
    run([]() -> Coro<> {
        Shelf shelf;
        get_running_loop().call_soon([&] { std::exchange(shelf.waiting, nullptr).destroy(); });
        std::string text;
        try {
            co_await adapt(shelf);
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        EXPECT_NE(text.find("adapt at adapt_test.cpp:"), std::string::npos) << text;
        EXPECT_EQ(shelf.resumes, 0);
    });
}

TEST_P(AdaptTest, ACancelWaitsForTheForeignOperationAndItsResultIsNotLost) {
    run([]() -> Coro<> {
        Shelf shelf;
        int got = 0;
        auto task = create_task([&]() -> Coro<> {
            got = co_await adapt(shelf);
            co_await sleep(0s);
            got = -1;
        });
        co_await sleep(0s);
        task.cancel();
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_FALSE(task.done());
        shelf.complete(6);
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(got, 6);
    });
}

TEST_P(AdaptTest, AfterACancelAnErrorIsTheCancels) {
    run([]() -> Coro<> {
        Shelf shelf;
        auto task = create_task([&]() -> Coro<> {
            auto stop = [&] {
                shelf.error = std::make_exception_ptr(ValueError("aborted"));
                shelf.complete(0);
            };
            co_await adapt(shelf, stop);
        });
        co_await sleep(0s);
        task.cancel();
        EXPECT_TRUE(shelf.waiting) << "who is asked to stop is user code: not inside the cancel";
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(shelf.resumes, 1);
    });
}

TEST_P(AdaptTest, AnOnCancelThatThrowsIsReportedAndTheAwaitGoesOn) {
    run([]() -> Coro<> {
        std::vector<std::string> reported;
        get_running_loop().set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
            reported.push_back(context.message + ": " +
                               thrown<ValueError>([&] { std::rethrow_exception(context.exception); }));
        });
        Shelf shelf;
        std::optional<CallbackHandle<int>> pending;
        auto fails = [] { throw ValueError("no memory to stop it"); };
        int got = 0;
        auto adapted = create_task([&]() -> Coro<> { got += co_await adapt(shelf, fails); });
        auto called_back = create_task([&]() -> Coro<> {
            auto start = [&](CallbackHandle<int> done) { pending.emplace(std::move(done)); };
            got += co_await from_callback<int>(start, fails);
        });
        co_await sleep(0s);
        adapted.cancel();
        called_back.cancel();
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_EQ(reported, std::vector<std::string>(2, "Exception in on_cancel: no memory to stop it"));
        EXPECT_FALSE(adapted.done());
        EXPECT_FALSE(called_back.done());
        shelf.complete(2);
        (*pending)(3);
        co_await wait(handles(adapted, called_back));
        EXPECT_EQ(got, 5);
        get_running_loop().set_exception_handler({});
    });
}

TEST_P(AdaptTest, ThoseThatAreReadyLetOthersRun) {
    run([]() -> Coro<> {
        struct NotAfterAll {
            bool await_ready() const noexcept { return false; }
            bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
            int await_resume() const noexcept { return 1; }
        };
        Shelf shelf;
        shelf.ready = true;
        for (const bool at_once : {true, false}) {
            bool turned = false;
            get_running_loop().call_soon([&] { turned = true; });
            for (int i = 0; i < 100'000 && !turned; ++i) {
                if (at_once) {
                    co_await adapt(shelf);
                } else {
                    co_await adapt(NotAfterAll());
                }
            }
            EXPECT_TRUE(turned) << at_once;
        }
    });
}

TEST_P(AdaptTest, ACancelThatIsPendingStartsNothing) {
    run([]() -> Coro<> {
        Shelf shelf;
        shelf.ready = true;
        auto task = create_task([&]() -> Coro<> {
            current_task().cancel();
            co_await adapt(shelf);
        });
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(shelf.resumes, 0);
    });
}

TEST_P(AdaptTest, ACancelAtAnyPointLeavesNothing) {
    const auto points = testing::for_each_cancel_point(
        []() -> Coro<> {
            int sum = co_await adapt(Elsewhere<int>(1));
            int more = co_await from_callback<int>([](CallbackHandle<int> done) { done(2); });
            co_await adapt(Elsewhere<int>(sum + more));
        },
        {.backend = backend()});
    EXPECT_GT(points.cancelled, 0u);
}

/// As Elsewhere, but nobody joins the thread: it may end the coroutine that awaits.
struct OnSomeThread {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const {
        std::thread([h] { h.resume(); }).detach();
    }
    void await_resume() const noexcept {}
};

class AdaptDeathTest : public AdaptTest {};
ASYNCIO_ON_EVERY_BACKEND(AdaptDeathTest);

TEST_P(AdaptDeathTest, AForeignAwaitableThatIsAwaitedBareIsCaughtAtTheNextAwait) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (const bool on_a_thread : {false, true}) {
        EXPECT_DEATH(asyncio::run(
                         [](bool elsewhere) -> Coro<> {
                             Shelf shelf;
                             if (!elsewhere) get_running_loop().call_soon([&] { shelf.complete(1); });
                             if (elsewhere) {
                                 co_await OnSomeThread();
                             } else {
                                 co_await shelf;
                             }
                             co_await sleep(0s);
                         }(on_a_thread),
                         {.backend = backend()}),
                     "adapt\\(x\\)");
    }
}

// ---- from_callback ------------------------------------------------------------------------------

/// A library in C: calls back on a thread of its own.
extern "C" using CCallback = void(*)(void* user_data, int result);
class CLibrary {
  public:
    int start(CCallback callback, void* user_data) {
        if (refuses) return -1;
        threads_.emplace_back([callback, user_data] { callback(user_data, 42); });
        return 0;
    }
    ~CLibrary() {
        for (std::thread& each : threads_) each.join();
    }
    bool refuses = false;

  private:
    std::vector<std::thread> threads_;
};
void trampoline(void* user_data, int result) { CallbackHandle<int>::adopt(user_data)(result); }

TEST_P(AdaptTest, ACallbackOfACLibraryIsAwaited) {
    run([]() -> Coro<> {
        CLibrary library;
        int got = co_await from_callback<int>(
            [&](CallbackHandle<int> done) { library.start(&trampoline, done.release()); });
        EXPECT_EQ(got, 42);
        library.refuses = true;
        std::string text;
        try {
            co_await from_callback<int>([&](CallbackHandle<int> done) {
                void* const raw = done.release();
                if (library.start(&trampoline, raw) != 0)
                    CallbackHandle<int>::adopt(raw).set_exception(RuntimeError("refused"));
            });
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "refused");
    });
}

TEST_P(AdaptTest, ACallbackMayComeAtOnceAndBeOfNoValueOrOfOneThatMoves) {
    run([]() -> Coro<> {
        co_await from_callback([](CallbackHandle<> done) { done(); });
        MoveOnly moved =
            co_await from_callback<MoveOnly>([](CallbackHandle<MoveOnly> done) { done(MoveOnly(2)); });
        EXPECT_EQ(moved.value(), 2);
        auto [a, b] =
            co_await gather(from_callback<int>([](CallbackHandle<int> done) { done(1); }), after(1ms, 2));
        EXPECT_EQ(a + b, 3);
    });
}

TEST_P(AdaptTest, ACallbackThatIsDroppedIsAnErrorThatSaysWhere) {
    run([]() -> Coro<> {
        std::string text;
        try {
            co_await from_callback<int>([](CallbackHandle<int>) {});
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        EXPECT_NE(text.find("from_callback at adapt_test.cpp:"), std::string::npos) << text;
    });
}

TEST_P(AdaptTest, ACallbackComesOnce) {
    run([]() -> Coro<> {
        std::string second;
        int got = co_await from_callback<int>([&](CallbackHandle<int> done) {
            done(1);
            second = thrown<InvalidStateError>([&] { done(2); });
        });
        EXPECT_EQ(got, 1);
        EXPECT_NE(second.find("a callback comes once"), std::string::npos);
    });
}

TEST_P(AdaptTest, AStartThatThrowsThrowsHereWhenItsHandleIsGone) {
    run([]() -> Coro<> {
        std::string text;
        try {
            co_await from_callback<int>([](CallbackHandle<int>) { throw ValueError("no start"); });
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "no start");
        std::optional<CallbackHandle<int>> kept;
        auto task = create_task([&]() -> Coro<> {
            co_await from_callback<int>([&](CallbackHandle<int> done) {
                kept.emplace(std::move(done));
                throw ValueError("too late");
            });
        });
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_FALSE(task.done());
        (*kept)(1);
        co_await wait(handles(task));
        EXPECT_THROW(std::rethrow_exception(task.exception()), ValueError);
    });
}

TEST_P(AdaptTest, ACancelAsksTheLibraryAndWaitsForTheCallback) {
    run([]() -> Coro<> {
        std::optional<CallbackHandle<int>> pending;
        int asked = 0;
        auto task = create_task([&]() -> Coro<> {
            auto start = [&](CallbackHandle<int> done) { pending.emplace(std::move(done)); };
            auto stop = [&] {
                ++asked;
                pending->set_exception(RuntimeError("aborted"));
            };
            co_await from_callback<int>(start, stop);
        });
        co_await sleep(0s);
        task.cancel();
        task.cancel();
        EXPECT_EQ(asked, 0);
        co_await wait(handles(task));
        EXPECT_EQ(asked, 1);
        EXPECT_TRUE(task.cancelled());
    });
}

TEST_P(AdaptTest, WhatHasEndedIsNotAskedToStop) {
    run([]() -> Coro<> {
        std::optional<CallbackHandle<int>> pending;
        Shelf shelf;
        int asked = 0;
        int got = 0;
        const auto stop = [&] { ++asked; };
        const auto start = [&](CallbackHandle<int> done) { pending.emplace(std::move(done)); };
        auto called_back = create_task([&]() -> Coro<> {
            got += co_await from_callback<int>(start, stop);
            co_await sleep(0s);
            got = -1;
        });
        auto adapted = create_task([&]() -> Coro<> {
            got += co_await adapt(shelf, stop);
            co_await sleep(0s);
            got = -1;
        });
        co_await sleep(0s);
        (*pending)(3);
        shelf.complete(4);
        called_back.cancel();  // before the tasks have heard of it
        adapted.cancel();
        co_await wait(handles(called_back, adapted));
        EXPECT_EQ(asked, 0) << "its library may have freed what the hook would touch";
        EXPECT_EQ(got, 7);
        EXPECT_TRUE(called_back.cancelled());
        EXPECT_TRUE(adapted.cancelled());
    });
}

class AdaptInRealTime : public AdaptTest {};
ASYNCIO_ON_REAL_BACKENDS(AdaptInRealTime);  // virtual time waits for the callback

TEST_P(AdaptInRealTime, ALimitAsksTheLibraryAndWaitsForTheCallback) {
    run([]() -> Coro<> {
        std::optional<CallbackHandle<int>> pending;
        bool aborts = true;
        const auto start = [&](CallbackHandle<int> done) { pending.emplace(std::move(done)); };
        const auto stop = [&] {
            if (aborts) return pending->set_exception(RuntimeError("aborted"));
            (*pending)(5);
        };
        bool late = false;
        try {
            co_await wait_for(from_callback<int>(start, stop), 1ms);
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        aborts = false;
        int got = co_await wait_for(from_callback<int>(start, stop), 1ms);
        EXPECT_EQ(got, 5) << "what came after all is not lost";
    });
}

TEST_P(AdaptTest, ALoopThatClosesWaitsForTheCallbackOfAThread) {
    test::Gate gate;
    std::thread library;
    bool ended = false;
    asyncio::run(
        [&]() -> Coro<> {
            create_task([&]() -> Coro<> {
                const auto start = [&](CallbackHandle<int> done) {
                    library = std::thread([&gate, d = std::move(done)]() mutable {
                        gate.pass();
                        d(1);
                    });
                };
                const auto stop = [&] { gate.open(); };
                co_await from_callback<int>(start, stop);
                ended = true;
            });
            co_await sleep(0s);
            gate.wait_until_somebody_is_there();
        },
        {.backend = backend()});
    EXPECT_TRUE(ended);
    library.join();
}

}}  // namespace asyncio::task_test
