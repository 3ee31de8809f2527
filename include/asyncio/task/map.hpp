// map: a coroutine function over many items, so many at once.
#pragma once
#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/task/detail/callable.hpp"
#include "asyncio/task/detail/close_all.hpp"
#include "asyncio/task/flow.hpp"
#include "asyncio/task/gather.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

template <class S>
inline constexpr bool is_generator = false;
template <class T>
inline constexpr bool is_generator<AsyncGenerator<T>> = true;
template <class S>
inline constexpr bool is_lending_generator = false;
template <class T>
inline constexpr bool is_lending_generator<AsyncGenerator<T&>> = true;

/// How an element of a range gets to its call: those of a container that the map owns are moved, those of one
/// that it borrows are referred to, and what an iterator makes up as it goes is kept with the call. A
/// container hands its constness on to its elements, a view of something else does not.
template <class S>
struct MapElement {
    template <class R>
    static consteval bool gives_const() {
        if constexpr (requires(R& range) { std::begin(range); }) {
            return std::is_const_v<std::remove_reference_t<decltype(*std::begin(std::declval<R&>()))>>;
        } else {
            return false;
        }
    }
    using Iterator = decltype(std::begin(std::declval<S&>()));
    using Reference = decltype(*std::declval<Iterator&>());
    static constexpr bool stays = std::is_lvalue_reference_v<Reference> && std::forward_iterator<Iterator>;
    static constexpr bool is_owned =
        stays && !std::is_reference_v<S> && !gives_const<S>() && gives_const<const S>();
    using Type = std::conditional_t<is_owned, std::remove_reference_t<Reference>&&,
                                    std::conditional_t<stays, Reference, std::decay_t<Reference>>>;
};
/// What a generator lends lives until its next item is asked for, and a call may take longer.
template <class T>
struct MapElement<AsyncGenerator<T>> {
    using Type = std::remove_cvref_t<T>;
    static_assert(!std::is_reference_v<T> || std::is_copy_constructible_v<Type>,
                  "map: what a generator yields by reference lives only until its next item is asked for, so "
                  "each call gets a copy, and this type has none: yield values, or pointers to what stays");
};

/// What a call gives; if there can be none, something harmless, since that has been said.
template <class F, class Element>
struct MapCall {
    using Type = Coro<>;
};
template <class F, class Element>
    requires std::is_invocable_v<F&, Element&&>
struct MapCall<F, Element> {
    using Type = std::invoke_result_t<F&, Element&&>;
};

/// `Source` is a reference if it is borrowed.
template <class Source, class F>
class MapState final : public FlowState {
  public:
    using Element = typename MapElement<Source>::Type;
    static constexpr bool callable = std::is_invocable_v<F&, Element&&>;
    static constexpr bool would_change_it =
        !callable && std::is_invocable_v<F&, std::remove_reference_t<Element>&>;
    static_assert(
        !would_change_it,
        "map: the function takes its item by reference, to change it, but each call has an item of its own "
        "that nobody sees afterwards (moved out of its source, or a copy of what a generator yields by "
        "reference): take it by value or by const reference; to change what stays, give a range by name, or "
        "yield pointers");
    static_assert(callable || would_change_it,
                  "map: the function cannot be called with one item of the source");
    using Call = typename MapCall<F, Element>::Type;
    static_assert(Awaited<Call>,
                  "map: the function must give a coroutine, or another awaitable, for an item");
    using Result = std::decay_t<OrMonostate<AwaitResult<Call>>>;

    template <class S, class G>
    MapState(bool in_order, std::size_t limit, S&& source, G&& function)
        : FlowState(in_order),
          limit_(limit),
          source_(std::forward<S>(source)),
          function_(std::forward<G>(function)) {
        if (limit == 0) throw ValueError("map: the limit must be at least 1");
    }
    void start() override { core.spawn(feed()); }

  private:
    Coro<> feed() {
        if constexpr (is_generator<Source>) {
            std::exception_ptr error;
            try {
                for (;;) {
                    co_await FlowCore::Room(&core, limit_);
                    if (core.stopping()) break;
                    auto item = co_await source_.next();
                    if (!item.has_value() || core.stopping()) break;
                    begin_call(as_element(*item));
                }
            } catch (...) {
                error = std::current_exception();
            }
            co_await close_all(error, source_);
        } else {
            for (auto&& each : source_) {
                co_await FlowCore::Room(&core, limit_);
                if (core.stopping()) break;
                if constexpr (MapElement<Source>::stays) {
                    begin_call(static_cast<Element>(each));
                } else {
                    begin_call(static_cast<Element>(std::forward<decltype(each)>(each)));
                }
            }
        }
    }
    /// Moves what a generator gives, copies what it lends.
    template <class T>
    static Element as_element(T& item) {
        if constexpr (is_lending_generator<Source>) {
            return item;
        } else {
            return std::move(item);
        }
    }
    void begin_call(Element&& element) {
        const std::size_t place = core.new_place();
        try {
            core.spawn(call(place, std::forward<Element>(element)), place);
        } catch (...) {
            core.give_back_place();
            throw;
        }
    }
    Coro<> call(std::size_t place, Element element) {
        if constexpr (std::is_void_v<AwaitResult<Call>>) {
            co_await function_(std::forward<Element>(element));
            Result result;
            Parcel parcel(&core, place, &result);
            co_await parcel;
        } else {
            Result result = co_await function_(std::forward<Element>(element));
            Parcel parcel(&core, place, &result);
            co_await parcel;
        }
    }

    std::size_t limit_;
    Source source_;
    F function_;
};

template <class S, class F>
auto make_map(bool in_order, std::size_t limit, S&& source, F&& function) {
    refuse_fragile_closure<F>();
    using Source = std::conditional_t<std::is_lvalue_reference_v<S>, S, std::decay_t<S>>;
    using State = MapState<Source, std::decay_t<F>>;
    return Flow<typename State::Result>(
        std::make_unique<State>(in_order, limit, std::forward<S>(source), std::forward<F>(function)));
}

/// What map iterates: a generator that is handed over, or a range.
template <class S>
concept MapSource = is_generator<S> || requires(S& range) {
    std::begin(range);
    std::end(range);
};

}  // namespace detail

/// Calls `function(item)` for each item of a range or async generator, at most `limit` at once, and gives the
/// results in the order of the items, as a scope: see `Flow`. (std::monostate stands for void.)
///
///     co_await with(map(10, urls, fetch), [&](Flow<Page>& pages) -> Coro<> {
///         while (auto page = co_await pages.next()) store(*page);
///     });
///
/// Each call is a task; a result that is not taken yet counts as running, so a slow consumer stops the
/// source. The source is asked for an item only when there is room. A range given by name is borrowed, as by
/// `with`, and so are its elements; an rvalue and the function are owned, and what a generator yields by
/// reference is copied, so the function takes its item by value, const reference or rvalue reference. A
/// failure is thrown in its item's turn, and from then on no item is begun. All results of a known list at
/// once: `gather({.limit = 10}, coroutines)`.
///
/// Throws      ValueError  the limit is 0
/// Suspends    see Flow::next
/// Cancel      see Flow::next
/// Threads     loop thread
/// Cost        a task for each item
/// Python      none; aiostream.stream.map(…, task_limit=10)
template <class S, class F>
    requires detail::MapSource<S>
auto map(std::size_t limit, S&& source, F&& function) {
    return detail::make_map(true, limit, std::forward<S>(source), std::forward<F>(function));
}

/// The same; the results come in the order in which they are ready.
///
/// Throws      ValueError  the limit is 0
/// Suspends    see Flow::next
/// Cancel      see Flow::next
/// Threads     loop thread
/// Python      none; aiostream.stream.map(…, ordered=False, task_limit=10)
template <class S, class F>
    requires detail::MapSource<S>
auto map_unordered(std::size_t limit, S&& source, F&& function) {
    return detail::make_map(false, limit, std::forward<S>(source), std::forward<F>(function));
}

}}  // namespace asyncio::v1
