// to_thread: a blocking call, off the loop's thread.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <tuple>

#include "asyncio/base/outcome.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/task/detail/callable.hpp"
#include "asyncio/task/detail/thread_call.hpp"

namespace asyncio { inline namespace v1 {

/// The tag that lets a cancelled `to_thread` return at once and leave its call behind.
struct abandon_on_cancel_t {
    explicit constexpr abandon_on_cancel_t() noexcept = default;
};
inline constexpr abandon_on_cancel_t abandon_on_cancel{};

namespace detail {

template <class F, class... Args>
inline constexpr bool takes_stop_token =
    std::is_invocable_v<std::decay_t<F>&, std::stop_token, std::decay_t<Args>...>;

template <class F, class... Args>
auto call_in_thread(F& function, std::stop_token token, std::tuple<Args...>& args) {
    return std::apply(
        [&](Args&... each) -> decltype(auto) {
            if constexpr (takes_stop_token<F, Args...>) {
                return std::apply(function, std::forward_as_tuple(std::move(token), std::move(each)...));
            } else {
                return std::apply(function, std::forward_as_tuple(std::move(each)...));
            }
        },
        args);
}
template <class F, class... Args>
using ThreadResult = decltype(call_in_thread(std::declval<std::decay_t<F>&>(), std::stop_token(),
                                             std::declval<std::tuple<std::decay_t<Args>...>&>()));

template <class F, class... Args>
constexpr void refuse_coroutine_in_thread() {
    static_assert(
        !is_coro<ThreadResult<F, Args...>>,
        "to_thread is for functions that block: a coroutine runs on the loop, so await it or pass it "
        "to create_task (for a loop of its own in the thread, pass a function that calls run)");
}

/// The call, its arguments and its result: on one side of the fence at a time.
template <class R, class F, class... Args>
struct ThreadWork {
    F function;
    std::tuple<Args...> args;
    std::optional<Outcome<R>> outcome;
    std::stop_source stop;

    template <class G, class... A>
    explicit ThreadWork(std::in_place_t, G&& g, A&&... a)
        : function(std::forward<G>(g)), args(std::forward<A>(a)...) {}

    static const char* what() noexcept { return type_spelling<F>(); }
    void run() noexcept { run_into(outcome); }
    /// Made where it is to be: a result whose move throws is moved no more than it must be.
    void run_into(std::optional<Outcome<R>>& result) noexcept {
        try {
            if constexpr (std::is_void_v<R>) {
                call_in_thread(function, stop.get_token(), args);
                result.emplace();
            } else {
                result.emplace(std::in_place, call_in_thread(function, stop.get_token(), args));
            }
        } catch (...) {
            result.emplace(std::current_exception());
        }
    }
};

template <class R, class Work>
class [[nodiscard("nothing is called before this is awaited: co_await it")]] ThreadAwaiter
    : public ThreadCall {
  public:
    template <class... A>
    explicit ThreadAwaiter(std::in_place_t, A&&... args)
        : ThreadCall(&run, &ask_to_stop, Work::what()), work_(std::in_place, std::forward<A>(args)...) {}
    /// Before it is awaited.
    ThreadAwaiter(ThreadAwaiter&& other) : ThreadCall(std::move(other)), work_(std::move(other.work_)) {}
    using LooseAwaitableTag = void;
    R await_resume() {
        finish();
        return std::move(*work_.outcome).value();
    }

  private:
    static void run(PoolJob* job) noexcept {
        auto* const me = static_cast<ThreadAwaiter*>(job);
        me->work_.run();
        me->report_back();
    }
    static void ask_to_stop(ForeignCall* call) noexcept {
        static_cast<ThreadAwaiter*>(call)->work_.stop.request_stop();
    }
    Work work_;
};

template <class R, class Work>
struct AbandonedCall final : SharedThreadCall {
    Work work;
    template <class... A>
    explicit AbandonedCall(std::in_place_t, A&&... args)
        : SharedThreadCall(Work::what()), work(std::in_place, std::forward<A>(args)...) {}
    void call() noexcept override { work.run(); }
    void ask_to_stop() noexcept override { work.stop.request_stop(); }
};

template <class R, class Work>
class [[nodiscard("nothing is called before this is awaited: co_await it")]] AbandoningAwaiter
    : public AbandoningBase,
      public LooseTag {
  public:
    explicit AbandoningAwaiter(std::shared_ptr<AbandonedCall<R, Work>> call) noexcept
        : AbandoningBase(call), call_(std::move(call)) {}
    /// Before it is awaited.
    AbandoningAwaiter(AbandoningAwaiter&& other) noexcept
        : AbandoningBase(other.call_), call_(std::move(other.call_)) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    R await_resume() {
        finish();
        return std::move(*call_->work.outcome).value();
    }

  private:
    std::shared_ptr<AbandonedCall<R, Work>> call_;
};

template <class T>
inline constexpr bool owns_itself =
    !std::is_pointer_v<T> && !is_view<T> && !(is_closure<T> && !std::is_empty_v<T>);
template <class T>
inline constexpr bool owns_itself<std::reference_wrapper<T>> = false;

template <class F, class... Args>
inline constexpr bool owns_all =
    (owns_itself<std::decay_t<F>> || std::is_function_v<std::remove_pointer_t<std::decay_t<F>>>) &&
    (owns_itself<std::decay_t<Args>> && ...);

}  // namespace detail

/// Calls `function(args…)` on a thread of the loop's pool and waits for its result, which may block without
/// blocking the loop. If the function can take a std::stop_token first, it is given one that a cancel sets.
///
/// Throws      what the function throws; RuntimeError  the loop is closing; OSError  no thread can be
///             started; QueueFull  the default executor is one that bounds its queue, which is full
/// Suspends    always
/// Cancel      sets the stop_token; delivered when the function has returned (debug mode: a warning after a
///             second)
/// Threads     loop thread; the function runs on another
/// Lifetime    the function may refer to the caller's data: the await does not end before it has returned
/// Python      asyncio.to_thread, which abandons the thread when it is cancelled: see abandon_on_cancel
template <class F, class... Args>
    requires(!std::is_same_v<std::decay_t<F>, abandon_on_cancel_t>)
auto to_thread(F&& function, Args&&... args) {
    detail::refuse_coroutine_in_thread<F, Args...>();
    detail::refuse_fragile_closure<F>();
    using R = detail::ThreadResult<F, Args...>;
    using Work = detail::ThreadWork<R, std::decay_t<F>, std::decay_t<Args>...>;
    return detail::ThreadAwaiter<R, Work>(std::in_place, std::forward<F>(function),
                                          std::forward<Args>(args)...);
}

/// The same, but a cancel ends the await at once and leaves the call behind, to finish on its own. The
/// function and its arguments must own what they use.
///
/// Throws      as above
/// Suspends    always
/// Cancel      at once; the stop_token is set
/// Threads     loop thread; the function runs on another
template <class F, class... Args>
auto to_thread(abandon_on_cancel_t, F&& function, Args&&... args) {
    detail::refuse_coroutine_in_thread<F, Args...>();
    static_assert(detail::owns_all<F, Args...>,
                  "to_thread(abandon_on_cancel, …): the call may outlive the caller, so pass no references, "
                  "pointers, views or "
                  "capturing lambdas: pass a function and owning arguments");
    using R = detail::ThreadResult<F, Args...>;
    using Work = detail::ThreadWork<R, std::decay_t<F>, std::decay_t<Args>...>;
    return detail::AbandoningAwaiter<R, Work>(std::make_shared<detail::AbandonedCall<R, Work>>(
        std::in_place, std::forward<F>(function), std::forward<Args>(args)...));
}

}}  // namespace asyncio::v1
