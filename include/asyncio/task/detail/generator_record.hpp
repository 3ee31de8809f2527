// The untyped half of AsyncGenerator: who runs the body, and what is handed to and fro.
//
// A body that has yielded is suspended at its co_yield and belongs to nobody. `next()` makes it the innermost
// coroutine of the task that asks, as an awaited Coro would be: until it yields again or ends, what it waits
// for is what that task waits for. The trampoline goes from the consumer to the body and back, so neither
// millions of items nor a deep nest of generators need stack.
#pragma once
#include <cstdint>
#include <exception>

#include "asyncio/core/detail/record.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct GeneratorRecord : PromiseBase {
    enum class State : std::uint8_t {
        fresh,      // the body has not begun
        suspended,  // … stands at a co_yield
        running,    // somebody waits in next(), aclose() …
    };
    /// What happens at the co_yield when the body goes on.
    enum class Resume : std::uint8_t {
        plain,
        exit,   // GeneratorExit is thrown
        error,  // the exception in `error()` is thrown, and taken out of there
    };

    void* item = nullptr;  // what was yielded: lies in the body's frame. Null: the body has ended
    void* sent = nullptr;  // what asend() was given: lies in its awaiter
    State state = State::fresh;
    Resume resume = Resume::plain;

    /// `id` is the loop that it runs on; 0 until it has begun.
    GeneratorRecord() noexcept { id = 0; }

    /// Inside the body, which goes on: throws what next() and its like have brought.
    void throw_if_told() {
        if (resume != Resume::plain) [[unlikely]]
            throw_told();
    }

  private:
    [[noreturn]] ASYNCIO_COLD void throw_told();
};

/// Throws RuntimeError: it is running, or it is another loop's.
[[noreturn]] ASYNCIO_COLD void refuse_generator(const GeneratorRecord* body, const char* what);
/// Of a generator that is destroyed, closed before it has begun, or did not end when it was told to: the
/// frame goes. It must not be running.
ASYNCIO_COLD void drop_generator(GeneratorRecord* body) noexcept;
/// Destroys the body, which has ended with an exception, and gives that; null if it is GeneratorExit.
ASYNCIO_COLD std::exception_ptr take_error_of_closed(GeneratorRecord* body) noexcept;
[[noreturn]] ASYNCIO_COLD void throw_ignored_exit(GeneratorRecord* body);
[[noreturn]] ASYNCIO_COLD void throw_sent_too_early();

/// The body belongs to `consumer` from here on. Throws RuntimeError if it cannot.
inline void enter_body(LoopCore* loop, GeneratorRecord* body, PromiseBase* consumer, const char* what) {
    if (body->state != GeneratorRecord::State::suspended || body->id != loop->loop_id) [[unlikely]] {
        if (body->state != GeneratorRecord::State::fresh) refuse_generator(body, what);
        body->id = loop->loop_id;
    }
    body->state = GeneratorRecord::State::running;
    body->continuation = consumer;
    body->task = consumer->task;
    body->item = nullptr;
}

/// Goes on in `frame`, or, if the step's budget is used up, when the others have had their turn.
inline void go_on_in(LoopCore* loop, PromiseBase* frame) noexcept {
    if (budget_spent(loop)) [[unlikely]] {
        push_frame(loop, frame);
    } else {
        loop->next = reinterpret_cast<std::uintptr_t>(frame);
    }
}

/// The common beginning of next(), asend() and athrow(). False: the body was not entered, since a cancel is
/// pending or there is none.
inline bool ask_body(GeneratorRecord* body, PromiseBase* consumer, Where where, const char* what) {
    LoopCore* const loop = current_loop;
    if (enter_wait(loop, consumer, where)) return false;
    if (body == nullptr) {
        go_on_in(loop, consumer);
        return false;
    }
    enter_body(loop, body, consumer, what);
    go_on_in(loop, body);
    return true;
}

}}}  // namespace asyncio::v1::detail
