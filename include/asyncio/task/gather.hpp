// gather: several awaitables at once, results in the order of the arguments.
#pragma once
#include <array>
#include <iterator>
#include <memory>
#include <new>
#include <tuple>
#include <variant>
#include <vector>

#include "asyncio/base/outcome.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/task.hpp"

namespace asyncio { inline namespace v1 {

/// The tag that makes `gather` give an `Outcome` for each argument instead of throwing the first failure.
struct return_exceptions_t {
    explicit constexpr return_exceptions_t() noexcept = default;
};
inline constexpr return_exceptions_t return_exceptions{};

namespace detail {

/// One argument of a gather: an unstarted coroutine that it owns, or a reference to a task or future. Once
/// the coroutine has been started it is a task, and whoever started it takes the record out.
class GatherChild {
  public:
    GatherChild() noexcept = default;
    GatherChild(PromiseBase* record, bool owned) noexcept
        : word_(reinterpret_cast<std::uintptr_t>(record) | (owned ? owned_bit : 0)) {}
    GatherChild(GatherChild&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
    GatherChild& operator=(GatherChild&& other) noexcept {
        std::swap(word_, other.word_);
        return *this;
    }
    ~GatherChild() {
        if (record() != nullptr) [[unlikely]]
            drop();
    }

    PromiseBase* record() const noexcept { return reinterpret_cast<PromiseBase*>(word_ & ~all_bits); }
    bool owned() const noexcept { return (word_ & owned_bit) != 0; }
    /// The gather does not wait for it any more.
    bool let_go() const noexcept { return (word_ & let_go_bit) != 0; }
    void set_let_go() noexcept { word_ |= let_go_bit; }
    /// Whose it was stays known.
    PromiseBase* take() noexcept {
        PromiseBase* const mine = record();
        word_ &= all_bits;
        return mine;
    }

  private:
    static constexpr std::uintptr_t owned_bit = 1;
    static constexpr std::uintptr_t let_go_bit = 2;
    static constexpr std::uintptr_t all_bits = 3;

    /// Without a warning: that is for whoever knows that the coroutine could have been awaited.
    ASYNCIO_COLD void drop() noexcept;

    std::uintptr_t word_ = 0;  // of a million children each byte counts
};

/// The children are tasks of their own; the gather only counts those that end. What belongs to it (`owned`)
/// has ended before it resumes; tasks of others keep Python's rule.
class GatherCore : public CancelFan {
  public:
    GatherCore(GatherChild* children, std::size_t count, bool keep_errors) noexcept
        : CancelFan(&ops_),
          children_(children),
          count_(count),
          keep_errors_(keep_errors),
          owned_(this, &owned_ended),
          others_(this, &other_ended) {}

    /// What a task made of this looks at: what the first child does that looks at anything. Before it is
    /// awaited.
    const Borrow* borrow() const noexcept;

    bool await_ready() const noexcept { return count_ == 0 && current_loop->current->pending == 0; }
    /// True: suspended.
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return true;
        return start();
    }

  protected:
    /// Children are many and lie idle for long: each is fetched so many before its turn.
    static constexpr std::size_t fetched_ahead = 8;

    /// Before it is awaited. The children are the derived class's to move.
    GatherCore(GatherCore&& other) noexcept
        : GatherCore(nullptr, std::exchange(other.count_, 0), other.keep_errors_) {
        ASYNCIO_ASSERT(!other.started_, "a gather is movable until it is awaited");
    }
    ~GatherCore() = default;
    /// Throws what ended the gather; else all children have results (or, with return_exceptions, outcomes).
    void check();
    /// Lets the children go; to be called by the destructor of whoever holds the array.
    void drop() noexcept;

    GatherChild* children_;
    std::size_t count_;

  private:
    friend PromiseBase* awaiting_gather(const Waiter* waiter) noexcept;
    struct Listener : Counter {
        GatherCore* gather;
        Listener(GatherCore* g, void (*n)(Waiter*, PromiseBase*) noexcept) noexcept : Counter(n), gather(g) {}
    };
    bool start();
    bool start_by_factory(std::size_t owned);
    bool start_child(GatherChild& child, RecordRef& failed) noexcept;
    void count_ended(const GatherChild& child) noexcept;
    bool wait_for_started() noexcept;
    void pass_on_cancel() noexcept;
    void listen_to_others(std::size_t slots);
    void ended(PromiseBase* record) noexcept;
    void cancel_owned() noexcept;
    static void owned_ended(Waiter* waiter, PromiseBase* record) noexcept;
    static void other_ended(Waiter* waiter, PromiseBase* record) noexcept;
    void let_go(GatherChild& child) noexcept;
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static PromiseBase* next_asked(Leaf* leaf) noexcept;
    static CancelAnswer all_asked(Leaf* leaf) noexcept;
    static constexpr LeafOps ops_{&cancel, nullptr, "gather", &next_asked, &all_asked};

    bool keep_errors_;
    bool started_ = false;
    bool finished_ = false;
    bool cancel_asked_ = false;
    // While a request to cancel goes through the children:
    bool asking_ = false;
    bool any_accepted_ = false;
    bool circle_of_owned_ = false;  // the request came back through a child that the gather cannot leave
    std::uint32_t asked_for_ = 0;   // the request that was passed on last: LoopCore::cancel_number
    std::size_t asked_ = 0;         // how many children were asked
    PromiseBase* first_failure_ = nullptr;
    Listener owned_;   // `left`: children of its own that have not ended
    Listener others_;  // … and of others
};

template <class T>
using OrMonostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// What an ended child has instead of a value: its exception, CancelledError, or InvalidStateError if
/// somebody has moved its result out.
ASYNCIO_COLD std::exception_ptr error_of_child(PromiseBase* record);

/// The result of one ended child.
template <class T, bool Keep>
auto take_child(const GatherChild& child) {
    PromiseBase* const record = child.record();
    if constexpr (!Keep) {
        if (record->is(result_taken)) [[unlikely]]
            throw_outcome(record);
    }
    if constexpr (Keep) {
        if (!record->is(has_value) || record->is(result_taken)) return Outcome<T>(error_of_child(record));
        if constexpr (std::is_void_v<T>) {
            return Outcome<T>();
        } else if constexpr (std::is_copy_constructible_v<T>) {
            T* const value = static_cast<Record<T>*>(record)->value();
            return child.owned() ? Outcome<T>(std::move(*value)) : Outcome<T>(static_cast<const T&>(*value));
        } else {
            if (!child.owned()) record->set(result_taken);
            return Outcome<T>(std::move(*static_cast<Record<T>*>(record)->value()));
        }
    } else if constexpr (std::is_void_v<T>) {
        return std::monostate{};
    } else if constexpr (std::is_copy_constructible_v<T>) {
        T* const value = static_cast<Record<T>*>(record)->value();
        return child.owned() ? T(std::move(*value)) : T(static_cast<const T&>(*value));
    } else {
        if (!child.owned()) record->set(result_taken);
        return T(std::move(*static_cast<Record<T>*>(record)->value()));
    }
}

template <bool Keep, class Tag, class... T>
class [[nodiscard("a gather starts nothing before it is awaited: co_await it")]] GatherTuple
    : public GatherCore,
      public Tag {
  public:
    explicit GatherTuple(std::array<GatherChild, sizeof...(T)>&& children) noexcept
        : GatherCore(nullptr, sizeof...(T), Keep), all_(std::move(children)) {
        children_ = all_.data();
    }
    GatherTuple(GatherTuple&& other) noexcept : GatherCore(std::move(other)), all_(std::move(other.all_)) {
        children_ = all_.data();
    }
    ~GatherTuple() { drop(); }
    auto await_resume() { return collect(std::index_sequence_for<T...>()); }

  private:
    template <std::size_t... I>
    auto collect(std::index_sequence<I...>) {
        check();
        using Results = std::tuple<std::conditional_t<Keep, Outcome<T>, OrMonostate<T>>...>;
        Results results{take_child<T, Keep>(all_[I])...};
        drop();
        return results;
    }
    std::array<GatherChild, sizeof...(T)> all_;
};

/// The coroutines of a vector as children, in the vector's own memory: each handle is one word, as a child
/// is, and a second array of a hundred thousand of them costs as much as running them.
template <class T>
class CoroChildren {
  public:
    explicit CoroChildren(std::vector<Coro<T>>&& coros) noexcept : memory_(std::move(coros)) {
        for (Coro<T>& each : memory_) {
            PromiseBase* const record = each.release();
            std::destroy_at(&each);
            ::new (static_cast<void*>(&each)) GatherChild(record, true);
        }
    }
    CoroChildren(CoroChildren&& other) noexcept : memory_(std::move(other.memory_)) { other.memory_.clear(); }
    CoroChildren& operator=(const CoroChildren&) = delete;
    ~CoroChildren() {
        for (std::size_t i = 0; i != size(); ++i) {
            std::destroy_at(data() + i);
            ::new (static_cast<void*>(memory_.data() + i)) Coro<T>(nullptr);
        }
    }
    GatherChild* data() noexcept { return std::launder(reinterpret_cast<GatherChild*>(memory_.data())); }
    std::size_t size() const noexcept { return memory_.size(); }

  private:
    static_assert(sizeof(Coro<T>) == sizeof(GatherChild) && alignof(Coro<T>) == alignof(GatherChild));
    std::vector<Coro<T>> memory_;
};

template <bool Keep, class T, class Children>
class [[nodiscard("a gather starts nothing before it is awaited: co_await it")]] GatherVector
    : public GatherCore,
      public LooseTag {
  public:
    explicit GatherVector(Children children) noexcept
        : GatherCore(children.data(), children.size(), Keep), all_(std::move(children)) {}
    GatherVector(GatherVector&& other) noexcept : GatherCore(std::move(other)), all_(std::move(other.all_)) {
        children_ = all_.data();
    }
    ~GatherVector() { drop(); }
    auto await_resume() {
        check();
        std::vector<std::conditional_t<Keep, Outcome<T>, OrMonostate<T>>> results;
        results.reserve(count_);
        for (std::size_t i = 0; i != count_; ++i) {
            if (i + fetched_ahead < count_) __builtin_prefetch(children_[i + fetched_ahead].record());
            GatherChild& child = children_[i];
            results.push_back(take_child<T, Keep>(child));
            // Owned, so it has ended, and its waiter was told.
            if (child.owned()) release(child.take());
        }
        drop();
        return results;
    }

  private:
    Children all_;
};

template <class T>
GatherChild gather_child(Coro<T>&& coro) noexcept {
    return GatherChild(coro.release(), true);
}
inline GatherChild gather_child(RecordRef&& ref) noexcept { return GatherChild(ref.give(), false); }
inline GatherChild gather_child(const RecordRef& ref) noexcept { return gather_child(RecordRef(ref)); }

template <class A>
struct GatherArgument {};
template <class T>
struct GatherArgument<Coro<T>> {
    using Result = T;
};
template <class T>
struct GatherArgument<Task<T>> {
    using Result = T;
};
template <class T>
struct GatherArgument<Future<T>> {
    using Result = T;
};

/// A callable becomes a coroutine that owns it; what can be gathered already stays.
template <class A>
decltype(auto) as_gatherable(A&& argument) {
    if constexpr (CoroutineFunction<A>) {
        refuse_fragile_closure<A>();
        return call_owned(std::forward<A>(argument));
    } else if constexpr (ScopedAwaitable<A>) {
        return await_owned<std::remove_cvref_t<A>>(std::forward<A>(argument));
    } else {
        static_assert(
            requires { typename GatherArgument<std::decay_t<A>>::Result; },
            "gather takes coroutines, tasks, futures, callables that give coroutines, and the library's own "
            "awaitables (sleep, to_thread ...) as temporaries");
        return std::forward<A>(argument);
    }
}
template <class A>
using GatherableResult =
    typename GatherArgument<std::decay_t<decltype(as_gatherable(std::declval<A>()))>>::Result;

template <class R>
concept GatherRange = requires(R& range) {
    std::begin(range);
    std::end(range);
    typename GatherArgument<std::decay_t<decltype(*std::begin(range))>>::Result;
};

template <bool Keep, class R>
auto gather_range(R&& range) {
    using Argument = std::decay_t<decltype(*std::begin(range))>;
    using T = typename GatherArgument<Argument>::Result;
    if constexpr (std::is_same_v<R, std::vector<Coro<T>>>) {  // an rvalue
        return GatherVector<Keep, T, CoroChildren<T>>(CoroChildren<T>(std::move(range)));
    } else {
        std::vector<GatherChild> children;
        if constexpr (requires { range.size(); }) children.reserve(range.size());
        for (auto& each : range) {
            if constexpr (is_coro<Argument>) {
                children.push_back(gather_child(std::move(each)));
            } else {
                children.push_back(gather_child(each));
            }
        }
        return GatherVector<Keep, T, std::vector<GatherChild>>(std::move(children));
    }
}

template <bool Keep, class... A>
auto gather_all(A&&... awaitables) {
    // One after another: what makes a coroutine of a later one may throw, and each has its owner then.
    std::array<GatherChild, sizeof...(A)> children;
    [[maybe_unused]] std::size_t at = 0;
    ((children[at++] = gather_child(as_gatherable(std::forward<A>(awaitables)))), ...);
    return GatherTuple<Keep, TagOfAll<A...>, GatherableResult<A>...>(std::move(children));
}

}  // namespace detail

/// Runs all awaitables at once and gives a tuple of their results, in the order of the arguments;
/// std::monostate stands for void. Coroutines and callables belong to the gather: on the first failure, or
/// when the gather is cancelled, it cancels the others, waits until the last has ended, then throws the
/// failure. Tasks and futures belong to the caller: a failure is thrown at once, and they run on.
///
/// Throws      the first failure; later ones of its own coroutines go to the exception handler
/// Suspends    unless everything is done already
/// Cancel      all children are cancelled; its own have ended when the await does
/// Threads     loop thread
/// Lifetime    a gather is lazy: nothing runs before it is awaited
/// Cost        a child's frame is its task: no other allocation
/// Python      asyncio.gather, which starts at the call and leaves siblings running after a failure
template <class... A>
    requires(sizeof...(A) != 1 && (!std::is_same_v<std::decay_t<A>, return_exceptions_t> && ...))
auto gather(A&&... awaitables) {
    return detail::gather_all<false>(std::forward<A>(awaitables)...);
}
template <class A>
    requires(!detail::GatherRange<A>)
auto gather(A&& awaitable) {
    return detail::gather_all<false>(std::forward<A>(awaitable));
}
/// The same for a range of coroutines (moved from), tasks or futures: gives a std::vector.
///
/// Suspends    unless everything is done already
/// Cancel      as above
/// Threads     loop thread
template <detail::GatherRange R>
auto gather(R&& range) {
    return detail::gather_range<false>(std::forward<R>(range));
}

/// Runs all at once and gives an `Outcome` for each: value or exception. Nothing is cancelled when one fails.
///
/// Throws      CancelledError  only if the gather itself was cancelled
/// Suspends    unless everything is done already
/// Cancel      all children are cancelled; the await ends when all have ended
/// Threads     loop thread
/// Python      asyncio.gather(*aws, return_exceptions=True)
template <class... A>
    requires(sizeof...(A) != 1)
auto gather(return_exceptions_t, A&&... awaitables) {
    return detail::gather_all<true>(std::forward<A>(awaitables)...);
}
template <class A>
    requires(!detail::GatherRange<A>)
auto gather(return_exceptions_t, A&& awaitable) {
    return detail::gather_all<true>(std::forward<A>(awaitable));
}
template <detail::GatherRange R>
auto gather(return_exceptions_t, R&& range) {
    return detail::gather_range<true>(std::forward<R>(range));
}

}}  // namespace asyncio::v1
