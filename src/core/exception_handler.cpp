// Exceptions that nobody awaits: the loop's exception handler, and what is printed without one.
#include <cstdio>
#include <optional>

#include "asyncio/base/error.hpp"
#include "asyncio/base/exception_group.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 {

namespace {

void print_context(const ExceptionContext& context) noexcept {
    try {
        std::string text = "asyncio: " + context.message;
        if (!context.task_name.empty()) text += ": " + context.task_name;
        if (!context.place.empty()) text += " (" + context.place + ")";
        text += '\n';
        text += format_exception(context.exception, "  ");
        std::fputs(text.c_str(), stderr);
    } catch (...) {
        std::fputs("asyncio: an exception was never retrieved, and there is no memory to print it\n", stderr);
    }
}

}  // namespace

void EventLoop::set_exception_handler(ExceptionHandler handler) {
    std::shared_ptr<ExceptionHandler> made;
    if (handler) made = std::make_shared<ExceptionHandler>(std::move(handler));
    made.swap(impl_->exception_handler);  // the old one dies last: its captures may look at the loop
}

void EventLoop::default_exception_handler(const ExceptionContext& context) noexcept {
    print_context(context);
}

void EventLoop::call_exception_handler(const ExceptionContext& context) noexcept {
    // A share of its own: it may replace itself.
    const std::shared_ptr<ExceptionHandler> handler = impl_->exception_handler;
    if (handler == nullptr) return print_context(context);
    try {
        (*handler)(*this, context);
    } catch (...) {
        print_context(context);
        ExceptionContext failed;
        failed.message = "the exception handler itself threw";
        failed.exception = std::current_exception();
        print_context(failed);
    }
}

namespace detail {

void report_exception(LoopImpl* loop, std::string_view message, std::exception_ptr error, PromiseBase* record,
                      bool in_current_context) noexcept {
    ExceptionContext context;
    try {
        context.exception = std::move(error);
        context.message = message;
        if (record != nullptr) {
            context.task_name = record_name(record);
            const TaskExtra* extra = record->extra();
            if (extra != nullptr && extra->created_at != nullptr) {
                context.place = place_text(extra->created_at);
            } else if (record->is(is_task) && record->where != nullptr) {
                context.place = place_text(record->where);
            }
        }
    } catch (...) {
        // Without memory what fits goes out.
    }
    if (loop != nullptr && loop->owner != nullptr) {
        std::optional<InContext> in;
        try {
            if (loop->has_contexts && !in_current_context && record != nullptr && record->is(is_task)) {
                const TaskExtra* const extra = record->extra();
                in.emplace(extra != nullptr ? extra->context : nullptr);
            }
        } catch (...) {
            // Without memory the handler runs in the context that is the current one.
        }
        loop->owner->call_exception_handler(context);
    } else {
        print_context(context);
    }
}

}  // namespace detail
}}  // namespace asyncio::v1
