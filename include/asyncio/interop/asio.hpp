// Asio's asynchronous operations, awaited: `co_await socket.async_read_some(buffer,
// asyncio::interop::use_coro)`.
//
// Opt-in, and one of the two public headers with a third-party include: standalone Asio (<asio.hpp>), or
// Boost.Asio if ASYNCIO_USE_BOOST_ASIO is defined. The io_context is yours: run it on a thread of its own, or
// poll it from this loop.
#pragma once
#include <exception>
#include <memory>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#if defined(ASYNCIO_USE_BOOST_ASIO)
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#define ASYNCIO_ASIO boost::asio
#else
#ifndef ASIO_STANDALONE
#define ASIO_STANDALONE 1
#endif
#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/post.hpp>
#define ASYNCIO_ASIO asio
#endif

#include "asyncio/task/from_callback.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// What a completion signature gives after its error: nothing, the value, or a tuple of the values.
template <class... Values>
struct AsioResult {
    using type = std::tuple<Values...>;
};
template <class Value>
struct AsioResult<Value> {
    using type = Value;
};
template <>
struct AsioResult<> {
    using type = void;
};

template <class E>
inline constexpr bool is_asio_error =
    std::is_same_v<E, std::exception_ptr> || std::is_convertible_v<E, std::error_code>;
template <class... Args>
inline constexpr bool begins_with_error = false;
template <class First, class... Rest>
inline constexpr bool begins_with_error<First, Rest...> = is_asio_error<std::decay_t<First>>;

template <class... Args>
struct AsioSignature {
    using Result = typename AsioResult<std::decay_t<Args>...>::type;
};
template <class First, class... Rest>
    requires(begins_with_error<First>)
struct AsioSignature<First, Rest...> {
    using Result = typename AsioResult<std::decay_t<Rest>...>::type;
};

template <class Result>
class AsioHandler {
  public:
    using cancellation_slot_type = ASYNCIO_ASIO::cancellation_slot;

    explicit AsioHandler(CallbackHandle<Result> done,
                         std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> signal) noexcept
        : done_(std::move(done)), signal_(std::move(signal)) {}
    cancellation_slot_type get_cancellation_slot() const noexcept { return signal_->slot(); }

    void operator()() {
        signal_->slot().clear();
        done_();
    }
    template <class First, class... Rest>
    void operator()(First&& first, Rest&&... rest) {
        // Asio's operations leave in the slot what points into their I/O object, which may go when this has
        // been reported; a cancel on its way to this thread finds the slot empty.
        signal_->slot().clear();
        if constexpr (std::is_same_v<std::decay_t<First>, std::exception_ptr>) {
            if (first != nullptr) return done_.set_exception(std::exception_ptr(first));
            give(std::forward<Rest>(rest)...);
        } else if constexpr (is_asio_error<std::decay_t<First>>) {
            if (first) return done_.set_exception(std::system_error(std::error_code(first)));
            give(std::forward<Rest>(rest)...);
        } else {
            give(std::forward<First>(first), std::forward<Rest>(rest)...);
        }
    }

  private:
    template <class... Values>
    void give(Values&&... values) {
        if constexpr (sizeof...(Values) == 0) {
            done_();
        } else {
            done_(Result(std::forward<Values>(values)...));
        }
    }

    CallbackHandle<Result> done_;
    // Also after the end: a cancel that is on its way to the io_context finds it.
    std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> signal_;
};

/// Starts the operation when it is awaited.
template <class Result, class Initiation, class... Args>
class AsioStart {
  public:
    using Borrows = void;  // the I/O object and its buffers
    template <class I, class... A>
    explicit AsioStart(std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> signal, I&& initiation, A&&... args)
        : signal_(std::move(signal)),
          initiation_(std::forward<I>(initiation)),
          args_(std::forward<A>(args)...) {}
    void operator()(CallbackHandle<Result> done) {
        std::apply(
            [&](auto&&... args) {
                std::move(initiation_)(AsioHandler<Result>(std::move(done), signal_), std::move(args)...);
            },
            std::move(args_));
    }

  private:
    std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> signal_;
    Initiation initiation_;
    std::tuple<Args...> args_;
};

/// Emits the cancellation where the operation's handlers run, since a signal belongs to one thread.
template <class Executor>
struct AsioCancel {
    std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> signal;
    Executor executor;
    explicit AsioCancel(std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> s, Executor e)
        : signal(std::move(s)), executor(std::move(e)) {}
    void operator()() const {
        ASYNCIO_ASIO::post(executor, [s = signal] { s->emit(ASYNCIO_ASIO::cancellation_type::terminal); });
    }
};
struct AsioCancelHere {
    std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> signal;
    explicit AsioCancelHere(std::shared_ptr<ASYNCIO_ASIO::cancellation_signal> s) noexcept
        : signal(std::move(s)) {}
    void operator()() const { signal->emit(ASYNCIO_ASIO::cancellation_type::terminal); }
};

}  // namespace detail

namespace interop {

/// The type of `use_coro`.
struct use_coro_t {
    explicit constexpr use_coro_t() noexcept = default;
};

/// Asio's completion token for a `Coro`: the operation is started when it is awaited, and gives what its
/// handler would get after the error code: nothing, a value, or a std::tuple. An error code is thrown as
/// std::system_error.
///
/// A cancel of the task is emitted on the operation's cancellation slot, on the executor of its I/O object;
/// the await waits for the handler. Then CancelledError is thrown, unless the operation has succeeded: that
/// result is delivered, and the next await throws.
///
/// The io_context may run on one thread, this one or another. If it is destroyed with the operation pending,
/// the await throws RuntimeError.
inline constexpr use_coro_t use_coro{};

}  // namespace interop
}}  // namespace asyncio::v1

/// What an operation returns that is given `use_coro`.
template <class R, class... Signature>
class ASYNCIO_ASIO::async_result<asyncio::interop::use_coro_t, R(Signature...)> {
  public:
    template <class Initiation, class... Args>
    static auto initiate(Initiation&& initiation, asyncio::interop::use_coro_t, Args&&... args) {
        using Result = typename asyncio::detail::AsioSignature<Signature...>::Result;
        using Start = asyncio::detail::AsioStart<Result, std::decay_t<Initiation>, std::decay_t<Args>...>;
        auto signal = std::make_shared<ASYNCIO_ASIO::cancellation_signal>();
        if constexpr (requires { initiation.get_executor(); }) {
            using Cancel = asyncio::detail::AsioCancel<std::decay_t<decltype(initiation.get_executor())>>;
            Cancel cancel(signal, initiation.get_executor());
            return asyncio::from_callback<Result>(
                Start(signal, std::forward<Initiation>(initiation), std::forward<Args>(args)...),
                std::move(cancel));
        } else {
            return asyncio::from_callback<Result>(
                Start(signal, std::forward<Initiation>(initiation), std::forward<Args>(args)...),
                asyncio::detail::AsioCancelHere(signal));
        }
    }
};

#undef ASYNCIO_ASIO
