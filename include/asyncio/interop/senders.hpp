// adapt(sender): awaits a sender of the standard's <execution> (P2300, C++26). Opt-in.
//
// Compiled only where the standard library has senders; none of the compilers that this project is tested
// with has them yet, so this header is written after the standard's text and has not run.
#pragma once
#if __has_include(<version>)
#include <version>
#endif

#if defined(__cpp_lib_senders)
#include <exception>
#include <execution>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "asyncio/task/from_callback.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

template <class Sender>
using SenderTuple =
    std::execution::value_types_of_t<Sender, std::execution::env<>, std::tuple, std::type_identity_t>;
template <class Tuple>
struct OneOf {
    using type = Tuple;
};
template <class T>
struct OneOf<std::tuple<T>> {
    using type = T;
};
template <>
struct OneOf<std::tuple<>> {
    using type = void;
};

template <class T>
struct CallbackReceiver {
    using receiver_concept = std::execution::receiver_t;
    CallbackHandle<T> done;
    std::inplace_stop_token token;

    struct Env {
        std::inplace_stop_token token;
        auto query(std::get_stop_token_t) const noexcept { return token; }
    };
    Env get_env() const noexcept { return {token}; }
    template <class... Values>
    void set_value(Values&&... values) && noexcept {
        try {
            if constexpr (std::is_void_v<T>) {
                done();
            } else {
                done(T(std::forward<Values>(values)...));
            }
        } catch (...) {
            done.set_exception(std::current_exception());
        }
    }
    template <class Error>
    void set_error(Error&& error) && noexcept {
        done.set_exception(std::forward<Error>(error));
    }
    void set_stopped() && noexcept { done.set_exception(CancelledError("the sender was stopped")); }
};

template <class Sender>
Coro<typename OneOf<SenderTuple<Sender>>::type> await_sender(Sender sender) {
    using T = typename OneOf<SenderTuple<Sender>>::type;
    using Operation = std::execution::connect_result_t<Sender, CallbackReceiver<T>>;
    struct Connect {
        Sender& sender;
        std::inplace_stop_source& stop;
        CallbackHandle<T>& done;
        operator Operation() const {
            return std::execution::connect(std::move(sender),
                                           CallbackReceiver<T>{std::move(done), stop.get_token()});
        }
    };
    std::inplace_stop_source stop;
    std::optional<Operation> operation;  // is neither moved nor freed before it has completed
    auto start = [&](CallbackHandle<T> done) {
        std::execution::start(operation.emplace(Connect{sender, stop, done}));
    };
    auto request_stop = [&] { stop.request_stop(); };
    co_return co_await from_callback<T>(start, request_stop);
}

}  // namespace detail

/// Awaits a sender with one value completion: gives its value, nothing, or a std::tuple of its values.
///
/// Throws      its error; CancelledError  it was stopped
/// Suspends    always
/// Cancel      requests stop, and waits for the sender
/// Threads     loop thread; the sender may complete on any
template <std::execution::sender Sender>
auto adapt(Sender&& sender) {
    return detail::await_sender<std::decay_t<Sender>>(std::forward<Sender>(sender));
}

}}  // namespace asyncio::v1
#endif
