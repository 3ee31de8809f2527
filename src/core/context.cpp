// Contexts: their content, and which is the current one.
#include "asyncio/core/context.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "asyncio/base/error.hpp"
#include "detail/context_slot.hpp"
#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

// ---- content ------------------------------------------------------------------------------------

namespace {

constexpr std::uint32_t length_max_least = 16;

/// The newest binding of each variable, newest first.
std::vector<const Binding*> visible(const Bindings& bindings) {
    std::vector<const Binding*> found;
    for (const Binding* each = bindings.get(); each != nullptr; each = each->next.get()) {
        const bool hidden = std::any_of(found.begin(), found.end(),
                                        [&](const Binding* newer) { return newer->key == each->key; });
        if (!hidden) found.push_back(each);
    }
    std::erase_if(found, [](const Binding* each) { return each->value == nullptr; });
    return found;
}

Bindings put_in_front(const Bindings& rest, ContextKey key, std::shared_ptr<const void> value,
                      std::uint32_t length_max) {
    const std::uint32_t length = rest != nullptr ? rest->length : 0;
    return std::make_shared<const Binding>(Binding{key, std::move(value), rest, length + 1, length_max});
}

Bindings without_hidden(const Bindings& bindings) {
    const std::vector<const Binding*> kept = visible(bindings);
    const auto length_max = std::max(length_max_least, 2 * static_cast<std::uint32_t>(kept.size()));
    Bindings made;
    for (auto each = kept.rbegin(); each != kept.rend(); ++each)
        made = put_in_front(made, (*each)->key, (*each)->value, length_max);
    return made;
}

Bindings bind_value(const Bindings& rest, ContextKey key, std::shared_ptr<const void> value) {
    if (rest == nullptr) return put_in_front(rest, key, std::move(value), length_max_least);
    if (rest->length < rest->length_max) return put_in_front(rest, key, std::move(value), rest->length_max);
    const Bindings shorter = without_hidden(rest);
    return put_in_front(shorter, key, std::move(value),
                        shorter != nullptr ? shorter->length_max : length_max_least);
}

std::shared_ptr<const void> shared_value(const Bindings& bindings, ContextKey key) noexcept {
    for (const Binding* each = bindings.get(); each != nullptr; each = each->next.get()) {
        if (each->key == key) return each->value;
    }
    return nullptr;
}

}  // namespace

ContextKey new_context_key() noexcept {
    static std::atomic<ContextKey> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;  // a number: it orders nothing
}

const void* find_value(const Bindings& bindings, ContextKey key) noexcept {
    for (const Binding* each = bindings.get(); each != nullptr; each = each->next.get()) {
        if (each->key == key) return each->value.get();
    }
    return nullptr;
}

std::size_t count_values(const Bindings& bindings) { return visible(bindings).size(); }

void throw_no_value(std::string_view name) {
    throw LookupError("the context variable '" + std::string(name) +
                      "' has no value in this context and no default: set it first, or use get(default)");
}

// ---- the current context ------------------------------------------------------------------------

namespace {

// Of this thread while it runs no loop; null if it has none yet.
constinit thread_local ContextRef* thread_slot = nullptr;
// Its thread_local objects are being destroyed, and its slot has been.
constinit thread_local bool thread_ends = false;

/// The thread's slot, which goes when the thread ends.
class OwnThreadSlot {
  public:
    OwnThreadSlot() = default;
    OwnThreadSlot(const OwnThreadSlot&) = delete;
    OwnThreadSlot& operator=(const OwnThreadSlot&) = delete;
    ~OwnThreadSlot() {
        thread_ends = true;
        if (thread_slot == &slot_) thread_slot = nullptr;
        // Before it is destroyed, while it is not used any more: its values may set variables when they go.
        const ContextRef last = std::move(slot_);
    }
    ContextRef* slot() noexcept { return &slot_; }

  private:
    ContextRef slot_;
};

/// For destructors that run later than that one: other thread_local objects of the thread, and of the main
/// thread all globals. Nobody is left who could free it; the list lets leak checkers see that.
ContextRef* make_late_slot() {
    struct Late {
        ContextRef slot;
        Late* next = nullptr;
    };
    static constinit std::atomic<Late*> all{nullptr};
    auto* const late = new Late();
    late->next = all.load(std::memory_order_relaxed);
    while (!all.compare_exchange_weak(late->next, late, std::memory_order_relaxed)) {}  // never followed
    return &late->slot;
}

ContextRef* make_thread_slot() {
    if (thread_ends) return make_late_slot();
    static thread_local OwnThreadSlot own;
    return own.slot();
}

LoopImpl* loop_that_runs() noexcept {
    LoopImpl* const loop = impl_of(current_loop);
    return loop != nullptr && loop->running_now ? loop : nullptr;
}

/// Where the current context hangs; null if nothing was ever hung there.
ContextRef* find_slot() noexcept {
    LoopImpl* const loop = loop_that_runs();
    if (loop == nullptr) return thread_slot;
    if (loop->current == nullptr) return &loop->callback_context;
    TaskExtra* const extra = loop->current->extra();
    return extra != nullptr ? &extra->context : nullptr;
}

ContextRef* make_slot() {
    LoopImpl* const loop = loop_that_runs();
    if (loop == nullptr) {
        if (thread_slot == nullptr) thread_slot = make_thread_slot();
        return thread_slot;
    }
    ContextRef* const slot =
        loop->current != nullptr ? &make_extra(loop->current).context : &loop->callback_context;
    loop->note_contexts();
    return slot;
}

const ContextRef& current_context() noexcept {
    // Not destroyed: globals' destructors may ask.
    static const ContextRef& none = *new ContextRef();
    const ContextRef* const slot = find_slot();
    return slot != nullptr ? *slot : none;
}

[[noreturn]] void throw_entered() {
    throw RuntimeError(
        "cannot enter this Context: something runs in it already, and only one at a time may: use a copy() "
        "of "
        "it");
}

}  // namespace

const void* current_value(ContextKey key) noexcept {
    const ContextRef& context = current_context();
    return context != nullptr ? find_value(context->bindings, key) : nullptr;
}

ContextChange set_current_value(ContextKey key, std::shared_ptr<const void> value) {
    ContextRef& context = *make_slot();
    if (context == nullptr) context = std::make_shared<ContextState>();
    Bindings made = bind_value(context->bindings, key, std::move(value));
    context->bindings = made;
    return {context, std::move(made)};
}

ContextRef copy_context_state() {
    ContextRef copy = inherit_context();
    return copy != nullptr ? copy : std::make_shared<ContextState>();
}

ContextRef inherit_context() {
    const ContextRef& context = current_context();
    if (context == nullptr || context->bindings == nullptr) return nullptr;
    return std::make_shared<ContextState>(context->bindings);
}

const ContextRef& context_of_task(PromiseBase* task) {
    ContextRef& context = make_extra(task).context;
    if (context == nullptr) context = std::make_shared<ContextState>();
    if (LoopCore* const loop = task->is(done) ? nullptr : loop_of(task)) impl_of(loop)->note_contexts();
    return context;
}

// ---- undoing ------------------------------------------------------------------------------------

std::shared_ptr<Binding> make_restoring(const ContextChange& change) {
    const Binding& made = *change.made;
    return std::make_shared<Binding>(
        Binding{made.key, shared_value(made.next, made.key), nullptr, 0, made.length_max});
}

void undo_change(ContextChange& change, std::shared_ptr<Binding> restoring) noexcept {
    const ContextChange undone = std::exchange(change, {});  // what it held dies last
    ContextState& context = *undone.context;
    if (context.bindings == undone.made) {
        context.bindings = undone.made->next;
        return;
    }
    // Other variables were set since: the old value is put in front.
    restoring->next = context.bindings;
    restoring->length = context.bindings != nullptr ? context.bindings->length + 1 : 1;
    context.bindings = std::move(restoring);
}

void undo_change(ContextChange& change, ContextKey key, std::string_view name) {
    const auto refuse = [&](const char* why) {
        return "cannot reset the context variable '" + std::string(name) + "': the token " + why;
    };
    if (change.made == nullptr) throw RuntimeError(refuse("was used already: each goes back one set, once"));
    if (change.made->key != key)
        throw ValueError(refuse("is that of another variable: give it to the one whose set() made it"));
    if (change.context != current_context())
        throw ValueError(
            refuse("was made in another Context: reset it in the task or Context that has set it"));
    std::shared_ptr<Binding> restoring;
    if (change.context->bindings != change.made) restoring = make_restoring(change);
    undo_change(change, std::move(restoring));
}

// ---- entering -----------------------------------------------------------------------------------

void require_not_entered(const ContextRef& context) {
    if (context->entered.load(std::memory_order_relaxed) || context == current_context()) throw_entered();
}

ContextEntry::ContextEntry(ContextRef context) {
    // Acquire and release hand the bindings on from the thread that was in it before.
    if (context->entered.exchange(true, std::memory_order_acquire)) throw_entered();
    try {
        slot_ = make_slot();
        if (*slot_ == context) throw_entered();
    } catch (...) {
        context->entered.store(false, std::memory_order_release);
        throw;
    }
    outer_ = std::exchange(*slot_, std::move(context));
    if (outer_ != nullptr) outer_entered_ = outer_->entered.exchange(true, std::memory_order_relaxed);
}

ContextEntry::~ContextEntry() {
    const ContextRef left = std::exchange(*slot_, std::move(outer_));
    if (*slot_ != nullptr) (*slot_)->entered.store(outer_entered_, std::memory_order_relaxed);
    left->entered.store(false, std::memory_order_release);  // pairs with the acquire above
}

InContext::InContext(ContextRef context)
    : slot_(make_slot()), outer_(std::exchange(*slot_, std::move(context))) {}
InContext::~InContext() { slot_->swap(outer_); }

InThreadContext::InThreadContext(ContextRef context) noexcept
    : context_(std::move(context)), outer_(std::exchange(thread_slot, &context_)) {}
InThreadContext::~InThreadContext() { thread_slot = outer_; }

OuterContext::OuterContext() noexcept : context_(current_context()) {
    if (context_ != nullptr) was_entered_ = context_->entered.exchange(true, std::memory_order_relaxed);
}
OuterContext::~OuterContext() {
    if (context_ != nullptr) context_->entered.store(was_entered_, std::memory_order_relaxed);
}

}}}  // namespace asyncio::v1::detail
