// What seldom happens to async generators.
#include "asyncio/task/async_generator.hpp"

#include <string>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/task/detail/close_all.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

void GeneratorRecord::throw_told() {
    if (std::exchange(resume, Resume::plain) == Resume::exit) throw GeneratorExit();
    const std::exception_ptr told = std::move(error());
    error().~exception_ptr();
    std::rethrow_exception(told);
}

void refuse_generator(const GeneratorRecord* body, const char* what) {
    const std::string name = "'" + coroutine_name(body->where) + "'";
    if (body->state == GeneratorRecord::State::running) {
        throw RuntimeError(
            std::string(what) + ": asynchronous generator is already running: " + name +
            " is awaited by another task, or by its own body; let one task iterate it and hand "
            "the items on, or give each consumer a generator of its own");
    }
    throw RuntimeError(
        "async generator " + name +
        " belongs to a different loop: iterate and close it on the loop on which it has begun");
}

void drop_generator(GeneratorRecord* body) noexcept {
    ASYNCIO_ASSERT(body->state != GeneratorRecord::State::running,
                   "an AsyncGenerator was destroyed while its next() is pending: it must outlive the await");
    if (body->is(made_borrower) && current_loop != nullptr) report_borrowers(body);
    body->handle().destroy();
}

std::exception_ptr take_error_of_closed(GeneratorRecord* body) noexcept {
    std::exception_ptr error = take_error_and_destroy(body);
    if (exception_cast<GeneratorExit>(error) != nullptr) error = nullptr;
    return error;
}

void throw_ignored_exit(GeneratorRecord* body) {
    const std::string name = coroutine_name(body->where);
    const std::string place = place_text(body->where);
    body->state = GeneratorRecord::State::suspended;
    drop_generator(body);
    throw RuntimeError("async generator ignored GeneratorExit: '" + name + "' (" + place +
                       ") yields once more when it is closed: let GeneratorExit end it, and clean up without "
                       "co_yield");
}

void met_while_closing(std::exception_ptr& error) noexcept {
    std::exception_ptr other = std::current_exception();
    if (error == nullptr || exception_cast<GeneratorExit>(error) != nullptr ||
        (is_cancelled(other) && !is_cancelled(error))) {
        std::swap(error, other);
    }
    if (other == nullptr || is_cancelled(other) || exception_cast<GeneratorExit>(other) != nullptr) return;
    report_exception(impl_of(current_loop), "closing async generators met more than one failure", other,
                     nullptr);
}

void throw_sent_too_early() {
    throw RuntimeError(
        "asend(): can't send a value to a just-started async generator: it waits at no co_yield yet, so call "
        "next() first");
}

}}}  // namespace asyncio::v1::detail
