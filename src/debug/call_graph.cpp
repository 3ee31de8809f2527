// Call graphs.
//
// A task's own coroutines are linked by `continuation`; who awaits the task is found through its waiters
// (detail/await_links.hpp). Tasks may await each other in diamonds, of which a few make millions of paths,
// and in circles: each task is shown with its waiters once. Chains may be a million long, and the graph is a
// tree of values, which dies by recursion: it ends after `depth_max` levels, and says so.
#include "asyncio/debug/call_graph.hpp"

#include <algorithm>
#include <unordered_set>

#include "asyncio/base/error.hpp"
#include "detail/await_links.hpp"
#include "detail/loop_impl.hpp"
#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 {

using detail::PromiseBase;
using detail::Where;

namespace {

constexpr std::size_t depth_max = 1000;

// ---- the frames of one task ---------------------------------------------------------------------

FrameCallGraphEntry entry_at(Where where) {
    FrameCallGraphEntry entry;
    entry.function = detail::coroutine_name(where);
    if (where == nullptr) return entry;
    const auto* const place = static_cast<const detail::Place*>(where);
    entry.file = place->file;
    entry.line = place->line;
    return entry;
}

/// Of the running coroutine the record knows the latest await only; `here` is the call that takes the graph,
/// in it, or in a function that it has called.
void put_caller(std::vector<FrameCallGraphEntry>& stack, Where here) {
    FrameCallGraphEntry caller = entry_at(here);
    if (!stack.empty() && stack.front().function == caller.function) {
        stack.front() = std::move(caller);
        return;
    }
    caller.is_coroutine = false;
    stack.insert(stack.begin(), std::move(caller));
}

void apply_limit(std::vector<FrameCallGraphEntry>& stack, int limit) {
    const std::size_t wanted =
        limit >= 0 ? static_cast<std::size_t>(limit) : std::size_t{0} - static_cast<std::size_t>(limit);
    if (limit == CallGraphOptions::no_limit || stack.size() <= wanted) return;
    const auto surplus = static_cast<std::ptrdiff_t>(stack.size() - wanted);
    limit >= 0 ? stack.erase(stack.end() - surplus, stack.end())
               : stack.erase(stack.begin(), stack.begin() + surplus);
}

// ---- the graph ----------------------------------------------------------------------------------

/// The tasks that are told of a record's end, in order.
std::vector<PromiseBase*> tasks_awaiting(const PromiseBase* record) {
    std::vector<PromiseBase*> tasks;
    const auto add = [&tasks](const detail::Waiter* waiter) {
        const PromiseBase* const coroutine = waiter != nullptr ? detail::awaiting_coroutine(waiter) : nullptr;
        if (coroutine != nullptr) tasks.push_back(coroutine->task);
    };
    if (const detail::TaskExtra* const extra = record->extra()) {
        for (const detail::Waiter* waiter : extra->waiters) add(waiter);
    } else if (record->waiter_word != 0) {
        add(reinterpret_cast<const detail::Waiter*>(record->waiter_word));
    }
    return tasks;
}

class Capture {
  public:
    Capture(CallGraphOptions options, Where here) noexcept : options_(options), here_(here) {}

    FutureCallGraph take(PromiseBase* record) {
        FutureCallGraph graph{AnyTask(detail::RecordRef::share(record)), frames_of(record), {}};
        const std::vector<PromiseBase*> awaiting = tasks_awaiting(record);
        if (awaiting.empty()) return graph;
        if (!seen_.insert(record).second) {
            const bool circle = std::find(path_.begin(), path_.end(), record) != path_.end();
            graph.end = circle ? CallGraphEnd::waits_for_itself : CallGraphEnd::shown_above;
        } else if (path_.size() == depth_max) {
            graph.end = CallGraphEnd::too_deep;
        } else {
            path_.push_back(record);
            for (PromiseBase* each : awaiting) graph.awaited_by.push_back(take(each));
            path_.pop_back();
        }
        return graph;
    }

  private:
    std::vector<FrameCallGraphEntry> frames_of(const PromiseBase* record) const {
        std::vector<FrameCallGraphEntry> stack;
        for (const PromiseBase* frame : detail::await_frames(record))
            stack.push_back(entry_at(detail::shown_place(frame)));
        if (detail::current_loop != nullptr && record == detail::current_loop->current) {
            put_caller(stack, here_);
            const auto left_out = static_cast<std::size_t>(std::max(options_.depth - 1, 0));
            stack.erase(stack.begin(),
                        stack.begin() + static_cast<std::ptrdiff_t>(std::min(left_out, stack.size())));
        }
        apply_limit(stack, options_.limit);
        return stack;
    }

    CallGraphOptions options_;
    Where here_;
    std::unordered_set<const PromiseBase*> seen_;
    std::vector<const PromiseBase*> path_;  // from the task that was asked for to the present one
};

// ---- text ---------------------------------------------------------------------------------------

class Text {
  public:
    void add(const FutureCallGraph& graph, std::size_t level) {
        const PromiseBase* const record = graph.future.record();
        char id[32];
        std::snprintf(id, sizeof id, "id=%#zx)", reinterpret_cast<std::size_t>(record));
        const bool is_task = record->is(detail::is_task);
        std::string head = is_task ? "* Task(name='" + detail::record_name(record) + "', " : "* Future(";
        line(level, head + id);
        if (!graph.call_stack.empty()) line(level, "  + Call stack:");
        for (const FrameCallGraphEntry& each : graph.call_stack) {
            line(level, "  |   File '" + each.file + "', line " + std::to_string(each.line) + ", in " +
                            (each.is_coroutine ? "async " : "") + each.function + "()");
        }
        if (const char* why = reason(graph.end)) line(level, why);
        if (!graph.awaited_by.empty()) line(level, "  + Awaited by:");
        for (const FutureCallGraph& each : graph.awaited_by) add(each, level + 1);
    }
    std::string give() && { return std::move(text_); }

  private:
    static const char* reason(CallGraphEnd end) noexcept {
        switch (end) {
            case CallGraphEnd::shown_above: return "  + Awaited by: see above";
            case CallGraphEnd::waits_for_itself:
                return "  + Awaited by: itself, in a circle, see above: nothing but a cancel ends that";
            case CallGraphEnd::too_deep: return "  + Awaited by: more, which are not shown";
            case CallGraphEnd::complete: break;
        }
        return nullptr;
    }
    void line(std::size_t level, const std::string& what) {
        if (!text_.empty()) text_ += '\n';
        text_.append(level * 5, ' ');
        text_ += what;
    }
    std::string text_;
};

void print(const std::string& text, std::FILE* file) { std::fprintf(file, "%s\n", text.c_str()); }

}  // namespace

std::optional<FutureCallGraph> capture_call_graph(CallGraphOptions options, Where where) {
    const detail::LoopCore* const loop = detail::running_loop();
    if (loop == nullptr)
        throw RuntimeError("capture_call_graph: no running event loop: name the task whose graph is wanted");
    if (loop->current == nullptr) return std::nullopt;
    return Capture(options, where).take(loop->current);
}

FutureCallGraph capture_call_graph(const AnyTask& future, CallGraphOptions options, Where where) {
    detail::require_own(future.record(), "looked at");
    return Capture(options, where).take(future.record());
}

std::string format_call_graph(const FutureCallGraph& graph) {
    Text text;
    text.add(graph, 0);
    return std::move(text).give();
}

std::string format_call_graph(CallGraphOptions options, Where where) {
    const std::optional<FutureCallGraph> graph = capture_call_graph(options, where);
    return graph.has_value() ? format_call_graph(*graph) : std::string();
}

std::string format_call_graph(const AnyTask& future, CallGraphOptions options, Where where) {
    return format_call_graph(capture_call_graph(future, options, where));
}

void print_call_graph(CallGraphOptions options, std::FILE* file, Where where) {
    print(format_call_graph(options, where), file);
}

void print_call_graph(const AnyTask& future, CallGraphOptions options, std::FILE* file, Where where) {
    print(format_call_graph(future, options, where), file);
}

}}  // namespace asyncio::v1
