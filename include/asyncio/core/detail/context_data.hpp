// What contexts are made of.
//
// The content of a context is a list of bindings, the newest first, that never change: a copy of a context is
// a share of the same list, and setting a variable puts one binding in front. A binding hides the older ones
// of its variable; those are left out when the list has become twice as long as it need be.
//
// Counts of references are those of std::shared_ptr: a context goes to other threads, with to_thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Names a variable, and no other one of this process, also when that is gone.
using ContextKey = std::uint64_t;

struct Binding {
    ContextKey key;
    std::shared_ptr<const void> value;  // null: the variable has none
    std::shared_ptr<const Binding> next;
    std::uint32_t length;      // of the list from here on
    std::uint32_t length_max;  // when to leave out what is hidden
};
using Bindings = std::shared_ptr<const Binding>;

/// A context. Those who run in it change it, one at a time.
struct ContextState {
    Bindings bindings;
    std::atomic<bool> entered{false};  // it, or one that was entered inside of it, is that of a Context::run

    ContextState() noexcept = default;
    explicit ContextState(Bindings content) noexcept : bindings(std::move(content)) {}
};
/// Null: an empty context that nobody has made yet.
using ContextRef = std::shared_ptr<ContextState>;

ContextKey new_context_key() noexcept;

/// The value of a variable; null if it has none. It lives until the context changes.
const void* find_value(const Bindings& bindings, ContextKey key) noexcept;
std::size_t count_values(const Bindings& bindings);

/// In the context of what runs here.
const void* current_value(ContextKey key) noexcept;

/// What it takes to undo a change: the context that was changed, and how.
struct ContextChange {
    ContextRef context;
    Bindings made;  // null once it was undone
};
/// Sets a variable in the context of what runs here. Throws std::bad_alloc; then nothing has changed.
ContextChange set_current_value(ContextKey key, std::shared_ptr<const void> value);

/// Undoes a change, once, in the context in which it was made.
/// Throws  RuntimeError  it was undone; ValueError  it is another variable's, or another context's
void undo_change(ContextChange& change, ContextKey key, std::string_view name);

/// A binding that restores what the change has hidden, made beforehand so that undoing cannot fail.
std::shared_ptr<Binding> make_restoring(const ContextChange& change);
void undo_change(ContextChange& change, std::shared_ptr<Binding> restoring) noexcept;

/// The context of what runs here becomes another one for a while. Throws RuntimeError if that is entered.
class ContextEntry {
  public:
    explicit ContextEntry(ContextRef context);
    ContextEntry(const ContextEntry&) = delete;
    ContextEntry& operator=(const ContextEntry&) = delete;
    ~ContextEntry();

  private:
    ContextRef* slot_;
    ContextRef outer_;
    bool outer_entered_ = false;
};

/// A copy of the context of what runs here: never null.
ContextRef copy_context_state();

[[noreturn]] ASYNCIO_COLD void throw_no_value(std::string_view name);

}}}  // namespace asyncio::v1::detail
