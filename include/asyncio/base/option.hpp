#pragma once

#include <type_traits>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {

/// A struct of options that a call takes by value: an aggregate of trivially destructible members with
/// defaults.
///
/// Only then is `co_await f(x, {.timeout = 3s})` sound on every compiler (docs/hazards), and only then can
/// all members be left out. Below each option struct: `static_assert(OptionStruct<SleepOptions>);`.
template <class T>
concept OptionStruct = std::is_aggregate_v<T> && std::is_trivially_destructible_v<T> &&
                       std::is_trivially_copyable_v<T> && requires { T{}; };

}}  // namespace asyncio::v1
