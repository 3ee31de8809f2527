#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 {

class ExceptionGroup;
class GroupHandler;

namespace detail {

/// Tells whether a leaf of a group is wanted. A plain function: each type costs one tiny instantiation.
using LeafFilter = bool (*)(const std::exception_ptr&) noexcept;

template <class E>
bool leaf_is(const std::exception_ptr& leaf) noexcept {
    return exception_cast<E>(leaf) != nullptr;
}

}  // namespace detail

/// Several failures as one exception: what a TaskGroup throws.
///
/// Groups nest; what is no group is a leaf. A group is immutable and shares its contents with its copies.
/// Except for single types at once, handle it as `except*` does:
/// ```cpp
/// catch (const asyncio::ExceptionGroup& group) {
///     group.handle<asyncio::TimeoutError>([](const asyncio::TimeoutError& e) { … })
///          .handle<asyncio::OSError>([](const asyncio::OSError& e) { … })
///          .rethrow_rest();
/// }
/// ```
///
/// Threads     any thread, as long as nobody assigns to the same object
/// Python      BaseExceptionGroup and ExceptionGroup in one: leaves may be CancelledError. Types select
///             leaves only, never a whole group by its own type.
class ASYNCIO_API ExceptionGroup : public Error {
  public:
    struct Split;

    /// Throws  ValueError  if `exceptions` is empty or holds a null pointer
    ExceptionGroup(std::string_view message, std::vector<std::exception_ptr> exceptions);
    ExceptionGroup(const ExceptionGroup&) noexcept = default;
    ExceptionGroup& operator=(const ExceptionGroup&) noexcept = default;
    ~ExceptionGroup() override;

    /// The message alone; `what()` adds " (2 sub-exceptions)".
    std::string_view message() const noexcept { return message_.view(); }
    /// The direct members, groups among them, in the order in which they were given.
    const std::vector<std::exception_ptr>& exceptions() const noexcept ASYNCIO_LIFETIMEBOUND {
        return *exceptions_;
    }
    /// All leaves, depth first.
    std::vector<std::exception_ptr> leaves() const;

    /// The leaves that are an `E`, and those that are not, each with nesting and messages kept.
    template <class E>
    Split split() const;
    /// The leaves that are an `E`, with nesting and messages kept; empty if there is none.
    template <class E>
    std::optional<ExceptionGroup> subgroup() const;
    /// Whether any leaf is an `E`.
    template <class E>
    bool contains() const noexcept {
        return contains_if(&detail::leaf_is<E>);
    }

    /// Calls `f(const E&)` for each leaf that is an `E`; go on with `.handle<F>(…)`, end with
    /// `.rethrow_rest()`.
    ///
    /// What `f` throws is kept beside the rest, and the other leaves still get their call.
    template <class E, class F>
    [[nodiscard("end with .rethrow_rest(), or the failures that were not handled are lost")]] GroupHandler
    handle(F&& f) const;
    /// Throws this group: nothing of it was handled.
    [[noreturn]] void rethrow_rest() const;

    /// The group as a tree, as Python prints it; lines end with '\n'. Contexts are shown, but its own.
    std::string format() const;

    Split split_if(detail::LeafFilter wanted) const;
    bool contains_if(detail::LeafFilter wanted) const noexcept;

  private:
    /// A part of it: the same message and context.
    ExceptionGroup derive(std::vector<std::exception_ptr> exceptions) const;

    detail::SharedText message_;
    std::shared_ptr<const std::vector<std::exception_ptr>> exceptions_;
};

/// Both halves of `ExceptionGroup::split`; `auto [matching, rest] = group.split<OSError>();`.
struct ExceptionGroup::Split {
    std::optional<ExceptionGroup> matching;
    std::optional<ExceptionGroup> rest;
};

/// What is left of a group while its failures are being handled. Made by `ExceptionGroup::handle`.
class ASYNCIO_API GroupHandler {
  public:
    explicit GroupHandler(const ExceptionGroup& group) : rest_(group) {}

    /// Calls `f(const E&)` for each leaf that is an `E` and has not been handled yet.
    template <class E, class F>
    [[nodiscard("end with .rethrow_rest(), or the failures that were not handled are lost")]] GroupHandler
    handle(F&& f) && {
        handle<E>(f);
        return std::move(*this);
    }
    template <class E, class F>
    void handle(F&& f) &;

    /// Throws an ExceptionGroup of what nobody handled and what handlers threw; returns if there is nothing.
    void rethrow_rest() const;
    /// What `rethrow_rest` would throw; null if there is nothing.
    std::exception_ptr rest() const;

  private:
    std::vector<std::exception_ptr> take(detail::LeafFilter wanted);
    void keep_current_exception() noexcept;

    std::optional<ExceptionGroup> rest_;
    std::vector<std::exception_ptr> raised_;
};

template <class E>
ExceptionGroup::Split ExceptionGroup::split() const {
    return split_if(&detail::leaf_is<E>);
}

template <class E>
std::optional<ExceptionGroup> ExceptionGroup::subgroup() const {
    return split_if(&detail::leaf_is<E>).matching;
}

template <class E, class F>
GroupHandler ExceptionGroup::handle(F&& f) const {
    GroupHandler handler(*this);
    handler.handle<E>(f);
    return handler;
}

template <class E, class F>
void GroupHandler::handle(F&& f) & {
    static_assert(!std::is_same_v<E, ExceptionGroup>,
                  "handle<E>: E is the type of a leaf; groups are looked into, not matched");
    for (const std::exception_ptr& leaf : take(&detail::leaf_is<E>)) {
        try {
            f(*exception_cast<E>(leaf));
        } catch (...) {
            keep_current_exception();
        }
    }
}

/// The exception as Python prints it, without tracebacks: what it was thrown in place of, the sentence
/// "During handling of the above exception, another exception occurred:", then itself; a group as a tree.
/// Lines end with '\n'; those that are not of a tree begin with `margin`.
///
/// Python      traceback.format_exception
ASYNCIO_API std::string format_exception(const std::exception_ptr& error, std::string_view margin = {});

}}  // namespace asyncio::v1
