// Calls a function of a user's protocol.
#pragma once
#include <exception>
#include <string>

#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// False: it has thrown, which the loop's exception handler was told.
template <class F>
bool call_protocol(LoopImpl* loop, const char* function, F&& f) noexcept {
    try {
        f();
        return true;
    } catch (...) {
        report_exception(loop, std::string("Fatal error: protocol.") + function + "() call failed.",
                         std::current_exception(), nullptr);
        return false;
    }
}

}}}  // namespace asyncio::v1::detail
