// The callables that make protocols: what create_connection, create_datagram_endpoint, subprocess_exec and
// their like are given.
#pragma once
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "asyncio/base/function.hpp"
#include "asyncio/task/task.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

template <class F>
using FactoryResult = std::invoke_result_t<std::decay_t<F>&>;
template <class F>
using ProtocolOf = typename FactoryResult<F>::element_type;

/// A callable that gives a shared or unique pointer to a kind of `Base`.
template <class F, class Base>
concept FactoryOf = std::invocable<std::decay_t<F>&> && requires { typename ProtocolOf<F>; } &&
                    std::convertible_to<FactoryResult<F>, std::shared_ptr<Base>>;

template <class P>
using FactoryFunction = UniqueFunction<std::shared_ptr<P>()>;

template <class F>
FactoryFunction<ProtocolOf<F>> factory_function(F&& factory) {
    refuse_fragile_closure<F>();
    return [f = std::decay_t<F>(std::forward<F>(factory))]() mutable {
        return std::shared_ptr<ProtocolOf<F>>(f());
    };
}

}}}  // namespace asyncio::v1::detail
