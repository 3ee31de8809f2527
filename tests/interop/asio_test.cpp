// use_coro: Asio's operations, awaited; with the io_context on a thread of its own, and polled from the loop.
#include <gtest/gtest.h>

#if __has_include(<asio.hpp>)
#include "asyncio/interop/asio.hpp"

#include <asio.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/testing.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

using interop::use_coro;

/// An io_context that runs on a thread of its own.
class OnAThread {
  public:
    OnAThread() : work_(::asio::make_work_guard(context)), thread_([this] { context.run(); }) {}
    ~OnAThread() {
        work_.reset();
        thread_.join();
    }
    ::asio::io_context context{1};

  private:
    ::asio::executor_work_guard<::asio::io_context::executor_type> work_;
    std::thread thread_;
};

class AsioTest : public test::BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(AsioTest);  // its time is real

TEST_P(AsioTest, ATimerOfAnotherThreadIsAwaited) {
    run([]() -> Coro<> {
        const auto here = std::this_thread::get_id();
        OnAThread io;
        ::asio::steady_timer timer(io.context, 1ms);
        co_await timer.async_wait(use_coro);
        EXPECT_EQ(std::this_thread::get_id(), here);
    });
}

TEST_P(AsioTest, SocketsTalk) {
    run([]() -> Coro<> {
        OnAThread io;
        using ::asio::ip::tcp;
        tcp::acceptor acceptor(io.context, tcp::endpoint(::asio::ip::address_v4::loopback(), 0));
        auto server = create_task([&]() -> Coro<> {
            tcp::socket peer = co_await acceptor.async_accept(use_coro);
            std::string text(64, '\0');
            std::size_t count = co_await peer.async_read_some(::asio::buffer(text), use_coro);
            text.resize(count);
            text += " to you";
            co_await ::asio::async_write(peer, ::asio::buffer(text), use_coro);
        });
        tcp::socket socket(io.context);
        co_await socket.async_connect(acceptor.local_endpoint(), use_coro);
        std::size_t sent = co_await ::asio::async_write(socket, ::asio::buffer("hello", 5), use_coro);
        EXPECT_EQ(sent, 5u);
        std::string answer(12, '\0');
        co_await ::asio::async_read(socket, ::asio::buffer(answer), use_coro);
        EXPECT_EQ(answer, "hello to you");
        co_await server;
        std::error_code error;
        try {
            co_await ::asio::async_read(socket, ::asio::buffer(answer), use_coro);
        } catch (const std::system_error& failure) {
            error = failure.code();
        }
        EXPECT_EQ(error, ::asio::error::eof);
    });
}

TEST_P(AsioTest, ACancelReachesTheOperationThroughItsSlot) {
    run([]() -> Coro<> {
        OnAThread io;
        ::asio::steady_timer timer(io.context, 1h);
        auto task = create_task([&]() -> Coro<> { co_await timer.async_wait(use_coro); });
        co_await sleep(0s);
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        timer.expires_after(1ms);
        co_await timer.async_wait(use_coro);  // of use as before
        bool late = false;
        timer.expires_after(1h);
        try {
            co_await wait_for(timer.async_wait(use_coro), 1ms);
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
    });
}

TEST_P(AsioTest, AContextMayBePolledFromTheLoopItself) {
    run([]() -> Coro<> {
        ::asio::io_context context;
        auto poller = create_task([&]() -> Coro<> {
            for (;;) {
                context.poll();
                context.restart();
                co_await sleep(1ms);
            }
        });
        ::asio::steady_timer timer(context, 1ms);
        co_await timer.async_wait(use_coro);
        co_await ::asio::post(context, use_coro);
        poller.cancel();
        co_await wait(handles(poller));
    });
}

TEST_P(AsioTest, AContextThatGoesWithTheOperationPendingIsAnError) {
    run([]() -> Coro<> {
        auto context = std::make_unique<::asio::io_context>();
        auto timer = std::make_unique<::asio::steady_timer>(*context, 1h);
        auto task = create_task([&]() -> Coro<> { co_await timer->async_wait(use_coro); });
        co_await sleep(0s);
        // What was posted to an io_context is destroyed with it.
        ::asio::post(*context, [t = std::move(timer)] {});
        context.reset();
        co_await wait(handles(task));
        EXPECT_THROW(std::rethrow_exception(task.exception()), RuntimeError);
    });
}

TEST_P(AsioTest, ACancelDoesNotPostToAContextThatHasGone) {
    run([]() -> Coro<> {
        auto context = std::make_unique<::asio::io_context>();
        auto timer = std::make_unique<::asio::steady_timer>(*context, 1h);
        auto task = create_task([&]() -> Coro<> { co_await timer->async_wait(use_coro); });
        co_await sleep(0s);
        ::asio::post(*context, [t = std::move(timer)] {});
        context.reset();
        task.cancel();  // before the task has heard of it
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
    });
}

// The cancel is on its way to the context when the operation ends there; by the time it arrives the task has
// destroyed the timer.
TEST_P(AsioTest, ACancelThatComesAfterTheEndTouchesNoTimerThatHasGone) {
    run([]() -> Coro<> {
        ::asio::io_context context;
        auto timer = std::make_unique<::asio::steady_timer>(context, 1h);
        auto task = create_task([&]() -> Coro<> {
            const auto own = std::move(timer);
            co_await own->async_wait(use_coro);
        });
        auto* const waiting = timer.get();
        co_await sleep(0s);
        waiting->cancel();  // its handler is due in the context …
        task.cancel();
        co_await sleep(0s);  // … and behind that the cancel
        EXPECT_EQ(context.poll_one(), 1u);
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(context.poll(), 1u);
    });
}

TEST_P(AsioTest, ACancelAtAnyPointLeavesNothing) {
    const auto points = testing::for_each_cancel_point(
        []() -> Coro<> {
            OnAThread io;
            ::asio::steady_timer timer(io.context, 1us);
            co_await timer.async_wait(use_coro);
            timer.expires_after(1us);
            co_await timer.async_wait(use_coro);
        },
        {.backend = backend()});
    EXPECT_GT(points.cancelled, 0u);
}

}}  // namespace asyncio::task_test
#endif
