// Subprocesses: create_subprocess_exec, create_subprocess_shell, Process.
#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/process/environment.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

class Process;

/// Where a standard stream of a subprocess leads. Made from a descriptor, too, which stays its owner's.
class Redirect {
  public:
    enum class Kind : int { inherit = -4, devnull = -3, out = -2, pipe = -1 };

    /// To where this process's own leads.
    constexpr Redirect() noexcept = default;
    constexpr explicit Redirect(Kind kind) noexcept : value_(static_cast<int>(kind)) {}
    constexpr Redirect(int descriptor) noexcept
        : value_(descriptor) {}  // NOLINT(google-explicit-constructor)

    constexpr bool is(Kind kind) const noexcept { return value_ == static_cast<int>(kind); }
    /// Less than 0: it is not made from a descriptor.
    constexpr int descriptor() const noexcept { return value_; }

  private:
    int value_ = static_cast<int>(Kind::inherit);
};

inline constexpr Redirect PIPE{Redirect::Kind::pipe};        ///< to a stream of `Process`
inline constexpr Redirect STDOUT{Redirect::Kind::out};       ///< for stderr: to where stdout leads
inline constexpr Redirect DEVNULL{Redirect::Kind::devnull};  ///< to /dev/null

/// Options of subprocesses. All members may be left out.
struct SubprocessOptions {
    Redirect stdin_ = {};
    Redirect stdout_ = {};
    Redirect stderr_ = {};
    std::string_view cwd = {};                 ///< the working directory; empty: as it is here
    EnvironmentView env = {};                  ///< all variables; if left out: those of this process
    std::string_view executable = {};          ///< run this; the program is then just its first argument
    std::size_t limit = default_stream_limit;  ///< how long a line of the streams may be
    bool start_new_session = false;            ///< setsid(2): no terminal, a group of its own
    int process_group = -1;                    ///< to join; 0: a new one
    bool restore_signals = true;               ///< what this process ignores acts by default there
    bool close_fds = true;               ///< nothing but the standard streams and `pass_fds` is inherited
    std::span<const int> pass_fds = {};  ///< descriptors to be inherited, with the same numbers
    Duration kill_after =
        std::chrono::seconds(5);  ///< how long leaving `with` waits between SIGTERM and SIGKILL
};
static_assert(OptionStruct<SubprocessOptions>);

namespace detail {

struct Child;
struct ProcessAccess;  // src/process/child.hpp

Coro<Process> spawn(std::vector<std::string> arguments, const SubprocessOptions& options, const char* what);

template <class T>
concept Text = std::convertible_to<const T&, std::string_view>;

template <class T>
concept Texts = !Text<T> && requires(const T& range) {
    { *range.begin() } -> std::convertible_to<std::string_view>;
    range.end();
};

template <class Range>
std::vector<std::string> texts_of(const Range& range) {
    std::vector<std::string> texts;
    for (const auto& each : range) texts.emplace_back(std::string_view(each));
    return texts;
}

}  // namespace detail

/// A process that this one has started.
///
/// Dropped, it is not ended: its streams are closed, and the loop collects its exit status, so that no zombie
/// is left. (Debug mode says that it still runs.) `with(create_subprocess_exec(…), body)` ends it.
///
/// Threads     loop thread only
/// Lifetime    may outlive its loop
/// Python      asyncio.subprocess.Process
class ASYNCIO_API Process {
  public:
    /// For the library's own.
    Process(std::shared_ptr<detail::Child> child, std::optional<StreamWriter> in,
            std::optional<StreamReader> out, std::optional<StreamReader> err) noexcept;
    Process(Process&&) noexcept;
    Process& operator=(Process&&) noexcept;
    ~Process();

    int pid() const noexcept;
    /// Nothing while it runs; the exit status; -N if signal N has ended it.
    std::optional<int> returncode() const noexcept;

    /// The other ends of what was redirected to PIPE.
    /// Throws  RuntimeError  it was not
    StreamWriter& stdin_();
    StreamReader& stdout_();
    StreamReader& stderr_();

    /// Waits until it has ended; what it has written stays to be read. A process that fills a pipe nobody
    /// reads never ends: use `communicate`.
    ///
    /// Returns     as `returncode`
    /// Suspends    unless it has ended
    /// Cancel      no effect on the process
    /// Threads     loop thread
    /// Lifetime    the process may be dropped meanwhile
    Coro<int> wait() const;
    /// Sends `input` to its standard input and closes that, reads stdout and stderr to their ends, and waits
    /// until it has ended. A process that does not read its input is no error.
    ///
    /// Returns     what came from stdout and stderr; empty where that was not redirected to PIPE
    /// Throws      ValueError  there is input, but stdin was not redirected to PIPE; OSError  reading failed
    /// Suspends    usually
    /// Cancel      the process runs on; what was read is lost
    /// Threads     loop thread
    /// Lifetime    the Process must outlive the await
    Coro<std::pair<std::string, std::string>> communicate(std::string input = {});

    /// Throws  ProcessLookupError  it has ended; ValueError  no such signal
    void send_signal(int number);
    /// SIGTERM, as `send_signal`.
    void terminate();
    /// SIGKILL, as `send_signal`.
    void kill();

    ReadyEnter aenter() const noexcept { return ReadyEnter(); }
    /// What `with` does at the end: closes stdin; if the process has not ended, sends SIGTERM, after
    /// `kill_after` SIGKILL, and waits until it has ended.
    ///
    /// Suspends    unless it has ended
    /// Cancel      it is killed at once, and waited for
    /// Threads     loop thread
    Coro<> aexit(std::exception_ptr error);

  private:
    friend detail::ProcessAccess;
    void drop() noexcept;
    std::shared_ptr<detail::Child> child_;
    std::optional<StreamWriter> stdin_stream_;
    std::optional<StreamReader> stdout_stream_;
    std::optional<StreamReader> stderr_stream_;
};

/// Starts a program: `create_subprocess_exec({.stdout_ = PIPE}, "ls", "-l", path)`. One without a slash is
/// looked for in the PATH of the environment that it gets. It starts with no signal blocked.
///
/// Throws      FileNotFoundError, PermissionError, OSError  it cannot be run, or `cwd` entered: the text
///             names which; ValueError  an argument has a NUL in it, or an option makes no sense;
///             RuntimeError  no loop is running, or its backend is `sim`
/// Suspends    never
/// Cancel      nothing is started
/// Threads     loop thread
/// Lifetime    arguments and options are copied before this returns; descriptors must stay open until it was
///             awaited
/// Cost        a vfork: the loop's thread waits until the program is loaded
/// Python      asyncio.create_subprocess_exec; the options come first, since the arguments are many. No
///             `preexec_fn`, `user`, `group`, `umask`: use a program that does it, such as setpriv(1)
template <detail::Text Program, detail::Text... Arguments>
Coro<Process> create_subprocess_exec(const SubprocessOptions& options, const Program& program,
                                     const Arguments&... arguments) {
    std::vector<std::string> list;
    list.reserve(1 + sizeof...(arguments));
    list.emplace_back(std::string_view(program));
    (list.emplace_back(std::string_view(arguments)), ...);
    return detail::spawn(std::move(list), options, "create_subprocess_exec");
}
/// The same without options.
///
/// Suspends    never
/// Cancel      nothing is started
/// Threads     loop thread
template <detail::Text Program, detail::Text... Arguments>
Coro<Process> create_subprocess_exec(const Program& program, const Arguments&... arguments) {
    return create_subprocess_exec(SubprocessOptions(), program, arguments...);
}
/// The same with program and arguments as one range.
///
/// Suspends    never
/// Cancel      nothing is started
/// Threads     loop thread
template <detail::Texts Range>
Coro<Process> create_subprocess_exec(const SubprocessOptions& options, const Range& program_and_arguments) {
    return detail::spawn(detail::texts_of(program_and_arguments), options, "create_subprocess_exec");
}

/// Runs a command line by /bin/sh. What is put into it must be quoted by the caller: prefer
/// `create_subprocess_exec`.
///
/// Throws      as create_subprocess_exec; that the command does not exist is the shell's exit status 127
/// Suspends    never
/// Cancel      nothing is started
/// Threads     loop thread
/// Python      asyncio.create_subprocess_shell
Coro<Process> create_subprocess_shell(std::string_view command,
                                      const SubprocessOptions& options = SubprocessOptions());
/// The same, options first as with create_subprocess_exec.
///
/// Suspends    never
/// Cancel      nothing is started
/// Threads     loop thread
inline Coro<Process> create_subprocess_shell(const SubprocessOptions& options, std::string_view command) {
    return create_subprocess_shell(command, options);
}

}}  // namespace asyncio::v1
