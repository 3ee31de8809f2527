// SignalHub: the signals that a loop handles.
#pragma once
#include <memory>
#include <vector>

#include "asyncio/base/function.hpp"
#include "asyncio/core/detail/context_data.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct LoopImpl;

/// Somebody who wants to know of a signal.
struct SignalSubscriber {
    explicit SignalSubscriber(UniqueFunction<void()> f) noexcept : function(std::move(f)) {}
    UniqueFunction<void()> function;
    ContextRef context;  // in which it runs; null: an empty one
    bool gone = false;   // calls that are on their way are dropped
};

/// See signals.cpp. Loop thread only, but for the handler there.
class SignalHub {
  public:
    explicit SignalHub(LoopImpl& loop) noexcept;
    SignalHub(const SignalHub&) = delete;
    SignalHub& operator=(const SignalHub&) = delete;
    /// Everything is as it was before.
    ~SignalHub();

    /// Throws  ValueError  no such signal, or it cannot be caught; RuntimeError  another loop has it
    void subscribe(int number, std::shared_ptr<SignalSubscriber> subscriber);
    void unsubscribe(int number, const SignalSubscriber* subscriber) noexcept;

    /// The one handler that `add_signal_handler` sets.
    void set_handler(int number, UniqueFunction<void()> function);
    bool remove_handler(int number) noexcept;

    /// Schedules the calls that signals have made due since the last time.
    void deliver() noexcept;

  private:
    struct Entry {
        int number;
        std::vector<std::shared_ptr<SignalSubscriber>> subscribers;
        std::shared_ptr<SignalSubscriber> handler;  // one of them, or null
    };
    Entry* find(int number) noexcept;
    void drop_if_unused(Entry* entry) noexcept;
    void schedule(const Entry& entry);

    LoopImpl& loop_;
    std::vector<Entry> entries_;
    // A signal may come at any time: with this share virtual time does not think that nothing can happen.
    std::shared_ptr<void> keeps_waiting_;
};

/// A reader that has gone is an error of the write, not the end of the process: SIGPIPE is ignored, if it was
/// at its default.
void ignore_sigpipe() noexcept;

/// The loop's, made when there is none.
SignalHub& signal_hub_of(LoopImpl& loop);

}}}  // namespace asyncio::v1::detail
