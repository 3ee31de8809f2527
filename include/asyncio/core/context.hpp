// ContextVar and Context: values that belong to a task and to whatever it starts.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "asyncio/base/option.hpp"
#include "asyncio/core/detail/context_data.hpp"

namespace asyncio { inline namespace v1 {

/// A variable with a value of its own in each context. A task runs in a copy of the context in which it was
/// created, a callback in one of that in which it was registered, so what is set there is seen by what it
/// starts and by nobody else.
///
///     const asyncio::ContextVar<std::string> request_id("request_id", "-");
///     auto scope = request_id.scoped("42");   // until the end of this block
///     log(request_id.get());
///
/// Make it a global: it names the variable, and holds no value but the default. Values are immutable and
/// shared by the contexts, so large ones are best held by a std::shared_ptr<const …>.
///
/// Threads     any thread. Outside of an event loop it is the thread's own context
/// Cost        `get` looks through the variables that are set; `set` makes two allocations. Programs without
///             such variables pay nothing
/// Python      contextvars.ContextVar
template <class T>
class ContextVar {
    static_assert(!std::is_reference_v<T> && !std::is_const_v<T> && std::is_copy_constructible_v<T>,
                  "a ContextVar gives copies of its value: hold what cannot be copied by a "
                  "std::shared_ptr<const …>");

  public:
    using value_type = T;

    explicit ContextVar(std::string_view name) : name_(name), key_(detail::new_context_key()) {}
    ContextVar(std::string_view name, T default_value)
        : name_(name), key_(detail::new_context_key()), default_(std::move(default_value)) {}
    ContextVar(const ContextVar&) = delete;
    ContextVar& operator=(const ContextVar&) = delete;

    const std::string& name() const noexcept { return name_; }

    /// The value in the current context, else the default.
    /// Throws  LookupError  there is neither
    T get() const {
        if (const void* const value = detail::current_value(key_)) return *static_cast<const T*>(value);
        if (!default_.has_value()) detail::throw_no_value(name_);
        return *default_;
    }
    /// The value in the current context, else `fallback`, whatever the variable's own default.
    T get(T fallback) const {
        if (const void* const value = detail::current_value(key_)) return *static_cast<const T*>(value);
        return fallback;
    }

    /// What a `set` has replaced: `reset` takes it. Movable; to be used once.
    /// Python  contextvars.Token; as a context manager: `scoped`
    class Token {
      public:
        Token(Token&& other) noexcept : change_(std::exchange(other.change_, {})) {}
        Token& operator=(Token&& other) noexcept {
            change_ = std::exchange(other.change_, {});
            return *this;
        }
        /// The value that was replaced; empty if there was none, or the token was used.
        /// Python  Token.old_value, Token.MISSING
        std::optional<T> old_value() const {
            const auto& made = change_.made;
            const void* const old = made != nullptr ? detail::find_value(made->next, made->key) : nullptr;
            return old != nullptr ? std::optional<T>(*static_cast<const T*>(old)) : std::nullopt;
        }

      private:
        friend ContextVar;
        explicit Token(detail::ContextChange change) noexcept : change_(std::move(change)) {}
        detail::ContextChange change_;
    };

    /// Sets the value in the current context.
    Token set(T value) const { return Token(change(std::move(value))); }

    /// Sets back what `set` has replaced, in the same context.
    /// Throws  RuntimeError  the token was used before; ValueError  it is another variable's, or was made in
    ///         another context
    void reset(Token& token) const { detail::undo_change(token.change_, key_, name_); }
    void reset(Token&& token) const { reset(token); }

    /// Sets back what `scoped` has replaced when it goes, in the context in which that was set, wherever it
    /// goes. Never fails.
    class [[nodiscard("the value is set back when this goes: auto scope = var.scoped(x);")]] Scope {
      public:
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
        ~Scope() { detail::undo_change(change_, std::move(restoring_)); }

      private:
        friend ContextVar;
        /// The restoring binding is made before anything is changed for good.
        explicit Scope(detail::ContextChange change)
            : change_(std::move(change)), restoring_(make_or_undo(change_)) {}
        static std::shared_ptr<detail::Binding> make_or_undo(detail::ContextChange& change) {
            try {
                return detail::make_restoring(change);
            } catch (...) {
                detail::undo_change(change, nullptr);  // it is the newest one: that needs no memory
                throw;
            }
        }
        detail::ContextChange change_;
        std::shared_ptr<detail::Binding> restoring_;
    };

    /// Sets the value for as long as what this gives lives.
    ///
    ///     auto scope = request_id.scoped("42");
    ///
    /// Python  with var.set(value): (3.14)
    Scope scoped(T value) const { return Scope(change(std::move(value))); }

  private:
    friend class Context;
    detail::ContextChange change(T value) const {
        return detail::set_current_value(key_, std::make_shared<const T>(std::move(value)));
    }

    std::string name_;
    detail::ContextKey key_;
    std::optional<T> default_;
};

/// The values of context variables, together. A handle: copies are the same context, `copy()` makes another.
///
/// Threads     any thread, but one at a time may run in it
/// Python      contextvars.Context; its variables cannot be gone through, since each has a type of its own
class Context {
  public:
    /// A new context, in which no variable has a value.
    Context() : state_(std::make_shared<detail::ContextState>()) {}
    /// For the library's own.
    explicit Context(detail::ContextRef state) noexcept : state_(std::move(state)) {}

    /// A new context with the same values.
    Context copy() const { return Context(std::make_shared<detail::ContextState>(state_->bindings)); }

    /// Calls `function(args…)` in this context: what it sets stays here. Gives what it returns.
    /// Throws  RuntimeError  something runs in this context already; what the function throws
    /// Python  Context.run
    template <class F, class... Args>
    decltype(auto) run(F&& function, Args&&... args) {
        const detail::ContextEntry entry(state_);
        return std::invoke(std::forward<F>(function), std::forward<Args>(args)...);
    }

    /// Python  var in context
    template <class T>
    bool contains(const ContextVar<T>& var) const noexcept {
        return find(var) != nullptr;
    }
    /// Throws  LookupError  the variable has no value here; its default does not count
    /// Python  context[var]
    template <class T>
    T operator[](const ContextVar<T>& var) const {
        const T* const value = find(var);
        if (value == nullptr) detail::throw_no_value(var.name());
        return *value;
    }
    /// Python  context.get(var, default)
    template <class T>
    T get(const ContextVar<T>& var, std::type_identity_t<T> fallback) const {
        const T* const value = find(var);
        return value != nullptr ? *value : fallback;
    }
    template <class T>
    std::optional<T> get(const ContextVar<T>& var) const {
        const T* const value = find(var);
        return value != nullptr ? std::optional<T>(*value) : std::nullopt;
    }
    /// How many variables have a value here.
    std::size_t size() const { return detail::count_values(state_->bindings); }

    /// The same context, not one with the same values.
    friend bool operator==(const Context& a, const Context& b) noexcept { return a.state_ == b.state_; }

    /// For the library's own.
    const detail::ContextRef& state() const noexcept { return state_; }

  private:
    template <class T>
    const T* find(const ContextVar<T>& var) const noexcept {
        return static_cast<const T*>(detail::find_value(state_->bindings, var.key_));
    }

    detail::ContextRef state_;
};

/// A copy of the current context.
///
/// Threads     any thread
/// Python      contextvars.copy_context
inline Context copy_context() { return Context(detail::copy_context_state()); }

/// Where a callback runs, or the coroutine of a Runner. May be left out: then in a copy of the current
/// context (a Runner: in its own).
struct ContextOptions {
    const Context* context = nullptr;  ///< in this one, not in a copy. Looked at during the call only.
};
static_assert(OptionStruct<ContextOptions>);

}}  // namespace asyncio::v1
