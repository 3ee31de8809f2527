// merge: the items of several generators as they come.
#pragma once
#include <memory>
#include <vector>

#include "asyncio/task/detail/close_all.hpp"
#include "asyncio/task/flow.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

template <class T>
class MergeState final : public FlowState {
  public:
    explicit MergeState(std::vector<AsyncGenerator<T>> sources)
        : FlowState(false), sources_(std::move(sources)) {}
    void start() override {
        for (AsyncGenerator<T>& each : sources_) core.spawn(pump(core, each));
    }

  private:
    static Coro<> pump(FlowCore& core, AsyncGenerator<T>& source) {
        std::exception_ptr error;
        try {
            for (;;) {
                auto item = co_await source.next();
                if (!item.has_value() || core.stopping()) break;
                Parcel parcel(&core, FlowCore::no_place, const_cast<void*>(static_cast<const void*>(&*item)));
                co_await parcel;
            }
        } catch (...) {
            error = std::current_exception();
        }
        co_await close_all(error, source);
    }

    std::vector<AsyncGenerator<T>> sources_;
};

}  // namespace detail

/// The items of all sources, in the order in which they come, as a scope: see `Flow`. Each source is iterated
/// by a task of its own, which goes on when its item was taken.
///
///     co_await with(merge(clicks(), keys()), [&](Flow<Event>& events) -> Coro<> {
///         while (auto event = co_await events.next()) handle(*event);
///     });
///
/// It owns the sources; leaving the scope cancels and joins its tasks, and closes the sources.
///
/// Suspends    see Flow::next
/// Cancel      see Flow::next
/// Threads     loop thread
/// Python      none; aiostream.stream.merge
template <class T>
Flow<T> merge(std::vector<AsyncGenerator<T>> sources) {
    return Flow<T>(std::make_unique<detail::MergeState<T>>(std::move(sources)));
}
template <class T, class... More>
    requires(std::is_same_v<More, AsyncGenerator<T>> && ...)
Flow<T> merge(AsyncGenerator<T> first, More... more) {
    std::vector<AsyncGenerator<T>> sources;
    sources.reserve(1 + sizeof...(More));
    sources.push_back(std::move(first));
    (sources.push_back(std::move(more)), ...);
    return merge(std::move(sources));
}

}}  // namespace asyncio::v1
