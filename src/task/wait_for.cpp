// wait_for: what is not worth a copy in each program.
#include "asyncio/task/wait_for.hpp"

#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

void drop_unawaited_limit(PromiseBase* child) noexcept {
    // With the frame of a task goes what that was to await and, cancelled before its first step, has not: its
    // parameter.
    if (recycler.kept_frame == nullptr && in_debug_mode()) {
        warn_with(runtime_warning, "a wait_for was never awaited", [child] {
            // Of a callable or an awaitable the coroutine is the library's, and tells nothing.
            const std::string place = place_text(child->where);
            const bool users = place.rfind("callable.hpp", 0) != 0 && place.rfind("awaitable.hpp", 0) != 0;
            const std::string what =
                users ? " of coroutine '" + coroutine_name(child->where) + "' (" + place + ")" : "";
            return "a wait_for" + what +
                   " was never awaited: co_await it, or start it with asyncio::create_task";
        });
    }
    drop_awaited(child);
}

}}}  // namespace asyncio::v1::detail
