// Warnings: one way out for all that debug mode says.
#include "asyncio/core/warnings.hpp"

#include <cstdio>
#include <memory>
#include <mutex>
#include <new>

#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 {

namespace {

struct Outlet {
    std::mutex mutex;
    std::shared_ptr<WarningHandler> handler;  // guarded by mutex; null: warnings are printed
};
Outlet& outlet() {
    static auto* const made = new Outlet;  // never destroyed: destructors of globals may warn
    return *made;
}

/// A handler that meets something to warn of is not called once more.
constinit thread_local bool in_handler = false;

void print(std::string_view category, std::string_view text) noexcept {
    const std::string_view head = category.empty() ? std::string_view("asyncio") : category;
    std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(head.size()), head.data(),
                 static_cast<int>(text.size()), text.data());
}

}  // namespace

void set_warning_handler(WarningHandler handler) {
    std::shared_ptr<WarningHandler> made;
    if (handler) made = std::make_shared<WarningHandler>(std::move(handler));
    Outlet& out = outlet();
    {
        const std::lock_guard lock(out.mutex);
        out.handler.swap(made);
    }
    // The old one dies here, unlocked: its captures may have something to say.
}

namespace detail {

void warn(std::string_view category, std::string_view text) noexcept {
    Outlet& out = outlet();
    std::shared_ptr<WarningHandler> handler;
    if (!in_handler) {
        const std::lock_guard lock(out.mutex);
        handler = out.handler;
    }
    if (handler == nullptr) return print(category, text);
    struct InHandler {
        InHandler() noexcept { in_handler = true; }
        ~InHandler() { in_handler = false; }
    };
    try {
        const Warning warning{category, std::string(text)};
        const InHandler mark;
        try {
            (*handler)(warning);
        } catch (...) {
            // Who warns is often a destructor: there is nobody to throw to.
        }
    } catch (...) {
        print(category, text);
    }
}

void forget_warning_lock() noexcept { ::new (static_cast<void*>(&outlet().mutex)) std::mutex; }

bool in_debug_mode() noexcept {
    const LoopCore* const loop = running_loop();
    return loop != nullptr ? loop->debug : environment_debug();
}

}  // namespace detail
}}  // namespace asyncio::v1
