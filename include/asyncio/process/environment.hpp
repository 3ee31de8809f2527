// The environment of a process.
#pragma once
#include <concepts>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {

/// Looks at the variables for a subprocess: a map or range of name and value, or a range of "NAME=value".
///
///     std::map<std::string, std::string> variables = asyncio::current_environment();
///     variables["LANG"] = "C";
///     … create_subprocess_exec({.env = variables}, "sort")
///
/// Lifetime    the range must outlive the call that is given this
class EnvironmentView {
  public:
    /// None: the environment stays as it is.
    constexpr EnvironmentView() noexcept = default;
    template <class Range>
        requires(!std::same_as<Range, EnvironmentView> && requires(const Range& r) { r.begin() != r.end(); })
    EnvironmentView(const Range& range ASYNCIO_LIFETIMEBOUND) noexcept  // NOLINT(google-explicit-constructor)
        : range_(&range), collect_(&collect<Range>) {}

    bool has_value() const noexcept { return range_ != nullptr; }
    /// As "NAME=value".
    std::vector<std::string> list() const {
        std::vector<std::string> texts;
        if (range_ != nullptr) collect_(range_, texts);
        return texts;
    }

  private:
    template <class Range>
    static void collect(const void* range, std::vector<std::string>& texts) {
        for (const auto& each : *static_cast<const Range*>(range)) {
            if constexpr (std::is_convertible_v<decltype(each), std::string_view>) {
                texts.emplace_back(std::string_view(each));
            } else {
                const auto& [name, value] = each;
                texts.emplace_back(std::string_view(name)).append("=").append(std::string_view(value));
            }
        }
    }

    const void* range_ = nullptr;
    void (*collect_)(const void*, std::vector<std::string>&) = nullptr;
};

/// A copy of this process's environment.
///
/// Threads     any, as long as none calls setenv(3)
/// Python      dict(os.environ)
ASYNCIO_API std::map<std::string, std::string> current_environment();

/// The size of a terminal in characters.
struct TerminalSize {
    int columns = 80;
    int lines = 24;
};

/// The size of the terminal on a descriptor.
///
/// Throws  OSError  it is no terminal
/// Threads any
/// Python  os.get_terminal_size
ASYNCIO_API TerminalSize get_terminal_size(int descriptor = 1);

}}  // namespace asyncio::v1
