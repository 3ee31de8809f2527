// with: the errors of a scope that is left.
#include "asyncio/task/with.hpp"

#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

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
