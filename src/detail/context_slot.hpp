// The current context: where it hangs, and how it gets to what is started or scheduled.
//
// Of a task it hangs in its TaskExtra, of a callback in its loop, of a thread outside of loops in the thread.
// Nobody keeps it at hand while tasks are switched: whoever asks looks it up, and where no variable was ever
// set there is none. `LoopCore::special` tells the fast paths of creating tasks and callbacks that there may
// be one.
#pragma once
#include "asyncio/core/context.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// A copy of the current context for something that is started or scheduled; null if that is empty. Throws
/// std::bad_alloc.
ContextRef inherit_context();
/// The context that was asked for, else such a copy.
inline ContextRef context_for(const ContextRef* asked) {
    return asked != nullptr ? *asked : inherit_context();
}
inline ContextRef context_for(const ContextOptions& options) {
    return context_for(options.context != nullptr ? &options.context->state() : nullptr);
}

/// The current context is this one for a while. Throws std::bad_alloc.
class InContext {
  public:
    explicit InContext(ContextRef context);
    InContext(const InContext&) = delete;
    InContext& operator=(const InContext&) = delete;
    ~InContext();

  private:
    ContextRef* slot_;
    ContextRef outer_;
};

/// The same for a thread that runs no loop.
class InThreadContext {
  public:
    explicit InThreadContext(ContextRef context) noexcept;
    InThreadContext(const InThreadContext&) = delete;
    InThreadContext& operator=(const InThreadContext&) = delete;
    ~InThreadContext();

  private:
    ContextRef context_;
    ContextRef* outer_;
};

/// While a task takes its first step inside of another's, or inside of a callback: nobody may enter the
/// context of the outer one.
class OuterContext {
  public:
    OuterContext() noexcept;
    OuterContext(const OuterContext&) = delete;
    OuterContext& operator=(const OuterContext&) = delete;
    ~OuterContext();

  private:
    ContextRef context_;
    bool was_entered_ = false;
};

/// Throws RuntimeError if something runs in this context.
void require_not_entered(const ContextRef& context);

/// The context of a task. Throws std::bad_alloc.
const ContextRef& context_of_task(PromiseBase* task);

}}}  // namespace asyncio::v1::detail
