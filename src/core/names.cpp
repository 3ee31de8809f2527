// Names for people: of coroutines, places and tasks.
//
// The compilers spell a coroutine's function differently in `__builtin_source_location()`: g++ gives the
// actor's name, `void f(f(int)::_Z1fi.Frame*)`, where an await stands and the clean name for the definition;
// clang gives `f` or the signature. All are cut down to the function's own name.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "asyncio/base/error.hpp"
#include "asyncio/core/coro.hpp"
#include "detail/await_links.hpp"
#include "detail/loop_impl.hpp"
#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// "int ns::(anonymous namespace)::f(std::string) [with T = int]" -> "ns::(anonymous namespace)::f"
std::string_view cut_signature(std::string_view text) {
    if (const auto with = text.find(" ["); with != std::string_view::npos) text = text.substr(0, with);
    // The parameter list: the last balanced (...) at the end, possibly followed by const & noexcept.
    const auto close = text.rfind(')');
    if (close != std::string_view::npos) {
        int depth = 0;
        for (std::size_t at = close + 1; at-- > 0;) {
            if (text[at] == ')') ++depth;
            if (text[at] == '(' && --depth == 0) {
                const std::string_view before = text.substr(0, at);
                if (!before.empty() && !before.ends_with("operator")) text = before;
                break;
            }
        }
    }
    return text;
}

/// Drops the return type: what stands before the last space outside of <> and ().
std::string_view cut_return_type(std::string_view text) {
    int depth = 0;
    for (std::size_t at = text.size(); at-- > 0;) {
        const char c = text[at];
        if (c == ')' || c == '>') ++depth;
        if (c == '(' || c == '<') --depth;
        // "f() const::{lambda()#1}::operator()": that is a member's const, and no end of a type.
        if (c == ' ' && depth == 0 && !text.substr(at + 1).starts_with("const::")) return text.substr(at + 1);
    }
    return text;
}

/// "f()::<lambda(int)>" was cut at its parameters, too.
std::string closed(std::string_view name) {
    return std::string(name) + (name.ends_with("<lambda") ? ">" : "");
}

std::string function_name(const char* spelled) {
    std::string_view text = spelled;
    if (const auto frame = text.find(".Frame*"); frame != std::string_view::npos) {
        const auto mangled = text.rfind("_Z", frame);
        if (mangled != std::string_view::npos) {
            const std::string name(text.substr(mangled, frame - mangled));
            const std::string clean = demangle(name.c_str());
            return closed(cut_return_type(cut_signature(clean)));
        }
    }
    return closed(cut_return_type(cut_signature(text)));
}

/// Drops what nobody wrote: unnamed namespaces, the inline one.
std::string without_noise(std::string name) {
    const auto replace = [&name](std::string_view noise, std::string_view by) {
        for (auto at = name.find(noise); at != std::string::npos; at = name.find(noise, at))
            name.replace(at, noise.size(), by);
    };
    replace("(anonymous namespace)::", "");
    replace("{anonymous}::", "");
    replace("[abi:cxx11]", "");
    replace("asyncio::v1::", "asyncio::");
    return name;
}

}  // namespace

std::string coroutine_name(Where where) {
    if (where == nullptr) return "?";
    return without_noise(function_name(static_cast<const Place*>(where)->function));
}

std::string native_function_name(const std::string& mangled) {
    const std::string clean = demangle(mangled.c_str());
    const bool is_coroutine =
        clean.find(".Frame*") != std::string::npos || clean.find("[clone .resume]") != std::string::npos;
    if (is_coroutine) return without_noise(function_name(clean.c_str())) + " (coroutine)";
    return without_noise(clean);
}

std::string type_name(const char* spelling) {
    return spells_closure(spelling) ? "a lambda's captures" : callable_name(spelling);
}

std::string callable_name(const char* spelling) {
    std::string_view text = spelling;
    const auto begin = text.find("T = ");
    if (begin == std::string_view::npos || !text.ends_with(']')) return "?";
    text = text.substr(begin + 4);
    return without_noise(std::string(text.substr(0, text.size() - 1)));
}

std::string place_text(Where where) {
    if (where == nullptr) return "?";
    const auto* place = static_cast<const Place*>(where);
    const char* slash = std::strrchr(place->file, '/');
    return std::string(slash != nullptr ? slash + 1 : place->file) + ":" + std::to_string(place->line);
}

std::string record_name(const PromiseBase* record) {
    if (const TaskExtra* extra = record->extra(); extra != nullptr && !extra->name.empty())
        return extra->name;
    if (record->is(is_future)) return "Future";
    return "Task-" + std::to_string(record->id);
}

namespace {

/// Of an awaitable that was handed over the place is in here: nobody's.
bool is_ours(Where where) noexcept {
    return where != nullptr && std::string_view(static_cast<const Place*>(where)->file)
                                   .ends_with("asyncio/task/detail/awaitable.hpp");
}

}  // namespace

Where shown_place(const PromiseBase* frame) noexcept {
    if (!is_ours(frame->where) || !frame->is(is_task) || frame->ended()) return frame->where;
    const auto word = frame->waiter_word;
    const TaskExtra* const extra = frame->extra();
    if (extra != nullptr && extra->created_at != nullptr) return extra->created_at;
    const Waiter* waiter = nullptr;
    if (extra == nullptr) {
        waiter = reinterpret_cast<const Waiter*>(word);
    } else if (!extra->waiters.empty()) {
        waiter = extra->waiters.front();
    }
    const PromiseBase* const awaiting = waiter != nullptr ? awaiting_coroutine(waiter) : nullptr;
    return awaiting != nullptr ? awaiting->where : frame->where;
}

/// The coroutine of a task with which it goes on.
static const PromiseBase* innermost_frame(const PromiseBase* task) noexcept {
    if (const PromiseBase* const waits = task->live.waits_on.frame(const_cast<PromiseBase*>(task)))
        return waits;
    const LoopCore* const loop = current_loop;
    if (loop == nullptr || loop->magic != task->magic) return task;
    if (loop->current == task) return loop->running;
    const ReadyQueue& ready = loop->ready;
    for (std::uint64_t at = ready.head; at != ready.tail; ++at) {
        const std::uintptr_t word = ready.slots[at & ready.mask];
        if ((word & tag_mask) != tag_frame) continue;
        const auto* const frame = reinterpret_cast<const PromiseBase*>(word);
        if (frame->task == task) return frame;
    }
    return task;
}

std::vector<const PromiseBase*> await_frames(const PromiseBase* task) {
    std::vector<const PromiseBase*> frames;
    if (task->ended() || task->is(is_future)) return frames;
    const PromiseBase* frame = innermost_frame(task);
    for (; frame != task; frame = frame->continuation) frames.push_back(frame);
    frames.push_back(task);
    return frames;
}

std::vector<std::string> await_chain(const PromiseBase* task) {
    std::vector<std::string> texts;
    const std::vector<const PromiseBase*> frames = await_frames(task);
    for (auto each = frames.rbegin(); each != frames.rend(); ++each) {
        const Where where = shown_place(*each);
        texts.push_back(coroutine_name(where) + " (" + place_text(where) + ")");
    }
    return texts;
}

const char* running_task_text() noexcept {
    const LoopCore* const loop = current_loop;
    if (loop == nullptr || loop->current == nullptr) return nullptr;
    if (loop->owner == nullptr) return "a child process that still runs a coroutine of its parent's loop";
    const PromiseBase* const task = loop->current;
    const TaskExtra* const extra = task->extra();
    static thread_local char text[160];  // memory may be what is wrong
    if (extra != nullptr && !extra->name.empty()) {
        std::snprintf(text, sizeof text, "task '%s'", extra->name.c_str());
    } else {
        std::snprintf(text, sizeof text, "task 'Task-%u'", static_cast<unsigned>(task->id));
    }
    return text;
}

bool names_a_closure_call(Where where) noexcept {
    std::string_view name = static_cast<const Place*>(where)->function;
    if (const auto with = name.find(" ["); with != std::string_view::npos) name = name.substr(0, with);
    return name.find("operator()") != std::string_view::npos ||
           name.find("<lambda") != std::string_view::npos || name.find("'lambda") != std::string_view::npos;
}

bool environment_debug() noexcept {
    const char* value = std::getenv("ASYNCIO_DEBUG");
    return value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
}

}}}  // namespace asyncio::v1::detail
