// with: the errors of a scope that is left.
#include "asyncio/task/with.hpp"

#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

void report_unawaited_scope(const char* body) noexcept {
    // With the frame of a task goes what that was to await and, cancelled before its first step, has not.
    if (recycler.kept_frame != nullptr || !in_debug_mode()) return;
    warn_with(runtime_warning, "a `with` was never awaited", [body] {
        return "a `with` was never awaited, and its body " + callable_name(body) +
               " has not run: co_await it, or start it with asyncio::create_task";
    });
}

void throw_left_without_value(const std::exception_ptr& handled) {
    const InvalidStateError error("the scope was left without a value");
    const std::exception_ptr thrown = std::make_exception_ptr(error);
    static_cast<void>(set_context(thrown, handled));
    std::rethrow_exception(thrown);
}

void replace_error(const std::exception_ptr& of_body) noexcept {
    if (of_body == nullptr || set_context(std::current_exception(), of_body) || is_cancelled(of_body)) return;
    report_exception(impl_of(current_loop),
                     "Exception in the body of a `with` whose aexit has thrown one that cannot carry it",
                     of_body, current_loop->current);
}

}}}  // namespace asyncio::v1::detail
