// EventLoop: one thread's loop. Most programs never name it: they call `run`.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/function.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/backend.hpp"
#include "asyncio/core/clock.hpp"
#include "asyncio/core/context.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/core/handle.hpp"

namespace asyncio { inline namespace v1 {

class Address;
struct AddressInfo;
struct AddressInfoOptions;
struct SendfileOptions;
class AnyCoro;
class AnyTask;
class EventLoop;
class LoopHandle;
class ThreadPoolExecutor;
template <class T>
class Future;
template <class T>
class Task;
struct TaskOptions;

/// Makes a task of a coroutine: what `set_task_factory` takes. See task/task_factory.hpp.
using TaskFactory = std::function<AnyTask(EventLoop&, AnyCoro, const TaskOptions&)>;

/// How a loop is made. All members may be left out.
struct RunOptions {
    bool debug = false;  ///< also on with ASYNCIO_DEBUG=1
    Backend backend =
        Backend::automatic;         ///< ASYNCIO_BACKEND=epoll|io_uring|sim decides when it is `automatic`
    VirtualClock* clock = nullptr;  ///< virtual time; must outlive the loop
    Duration timer_slack =
        Duration::zero();    ///< how late the kernel may wake the loop; 0: its default (50 us)
    std::uint64_t seed = 0;  ///< sim: not 0 = ready tasks run in a random order made from it; ASYNCIO_SEED=
    Duration shutdown_timeout = std::chrono::seconds(10);  ///< how long threads are waited for at the end
    /// A thread says where the loop is blocked when it has been for so long. 0: it does not; not given: after
    /// a second in debug mode, else not at all. Nor does it in virtual time.
    Duration watchdog = Duration::none();
};
static_assert(OptionStruct<RunOptions>);

/// What the exception handler is told.
struct ExceptionContext {
    std::string message;           ///< what happened: "Task exception was never retrieved" …
    std::exception_ptr exception;  ///< may be null
    std::string task_name;         ///< may be empty
    std::string place;             ///< file:line of the coroutine or of the task's creation; may be empty
};

namespace detail {

struct LoopImpl;
enum class Direction : std::uint8_t;

/// Binds arguments by value to a callable, as functools.partial.
template <class F, class... Args>
auto bind(F&& function, Args&&... args) {
    static_assert(!makes_coroutine<std::decay_t<F>&, std::decay_t<Args>&&...>(),
                  "calling a coroutine function only makes a coroutine, which nobody would run: pass a "
                  "function that calls create_task, or use create_task itself (from other threads: "
                  "run_coroutine_threadsafe) instead of call_soon, call_later and call_at");
    if constexpr (sizeof...(Args) == 0) {
        return std::decay_t<F>(std::forward<F>(function));
    } else {
        return [f = std::decay_t<F>(std::forward<F>(function)),
                a = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
            std::apply(std::move(f), std::move(a));
        };
    }
}

/// The same for what is called again and again: the arguments stay.
template <class F, class... Args>
auto bind_repeated(F&& function, Args&&... args) {
    static_assert(!makes_coroutine<std::decay_t<F>&, std::decay_t<Args>&...>(),
                  "calling a coroutine function only makes a coroutine, which nobody would run: pass a "
                  "function that calls create_task");
    return
        [f = std::decay_t<F>(std::forward<F>(function)),
         a = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable { std::apply(f, a); };
}

}  // namespace detail

/// An event loop: runs callbacks and tasks on one thread, one at a time.
///
/// Threads     every member on the loop's thread, except `call_soon_threadsafe`; see `remote()`
/// Python      asyncio.AbstractEventLoop
class EventLoop {
  public:
    /// Throws  RuntimeError  the chosen backend is not to be had here; OSError  no descriptor left;
    ///         ValueError  a negative or infinite timer_slack, an ASYNCIO_SEED that is no number
    explicit EventLoop(RunOptions options = RunOptions());
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    /// Closes the loop. A loop may not be destroyed while it runs.
    ~EventLoop();

    /// Calls `function(args…)` in the next iteration, in order of the calls. An exception that it throws goes
    /// to the exception handler.
    /// Throws  RuntimeError  the loop is closed, or this is another thread (debug mode)
    /// Threads loop thread
    /// Python  loop.call_soon
    template <class F, class... Args>
    Handle call_soon(F&& function, Args&&... args) {
        return schedule_soon(detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    /// The same, in the context of the options: `loop.call_soon({.context = &context}, function)`.
    template <class F, class... Args>
    Handle call_soon(const ContextOptions& options, F&& function, Args&&... args) {
        return schedule_soon_in(options,
                                detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    /// As `call_soon`, from any thread. See `LoopHandle` for a loop that may be gone.
    /// Threads any thread, while the loop exists
    /// Python  loop.call_soon_threadsafe; returns no handle
    template <class F, class... Args>
    void call_soon_threadsafe(F&& function, Args&&... args) {
        post(ContextOptions(), detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    template <class F, class... Args>
    void call_soon_threadsafe(const ContextOptions& options, F&& function, Args&&... args) {
        post(options, detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    /// Calls `function(args…)` after `delay` (negative: as soon as possible). Equal deadlines run in order of
    /// the calls.
    /// Throws  RuntimeError  the loop is closed
    /// Threads loop thread
    /// Python  loop.call_later
    template <class F, class... Args>
    TimerHandle call_later(Duration delay, F&& function, Args&&... args) {
        return schedule_at(time_after(delay),
                           detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    template <class F, class... Args>
    TimerHandle call_later(const ContextOptions& options, Duration delay, F&& function, Args&&... args) {
        return schedule_at_in(options, time_after(delay),
                              detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    /// Calls `function(args…)` at `when` on this loop's clock.
    /// Throws  RuntimeError  the loop is closed
    /// Threads loop thread
    /// Python  loop.call_at
    template <class F, class... Args>
    TimerHandle call_at(TimePoint when, F&& function, Args&&... args) {
        return schedule_at(when, detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    template <class F, class... Args>
    TimerHandle call_at(const ContextOptions& options, TimePoint when, F&& function, Args&&... args) {
        return schedule_at_in(options, when,
                              detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
    }
    /// Calls `function(args…)` in the loop each time the signal arrives, in place of what the process would
    /// do then; replaces an earlier handler of this loop. Signals that arrive while one is still to be
    /// delivered may be one, as everywhere. Closing the loop removes it. A coroutine waits for signals with a
    /// SignalReceiver.
    /// Throws  ValueError    no signal has this number, or it cannot be caught (SIGKILL, SIGSTOP)
    ///         RuntimeError  another loop handles it; the loop is closed
    /// Threads loop thread, which need not be the main one
    /// Python  loop.add_signal_handler
    template <class F, class... Args>
    void add_signal_handler(int number, F&& function, Args&&... args) {
        set_signal_handler(number,
                           detail::bind_repeated(std::forward<F>(function), std::forward<Args>(args)...));
    }
    /// What the signal did before is restored. False if there was no handler. A call that is on its way is
    /// dropped.
    /// Throws  ValueError  no signal has this number
    /// Threads loop thread
    /// Python  loop.remove_signal_handler
    bool remove_signal_handler(int number);

    /// Calls `function(args…)` in each iteration in which `fd` can be read without blocking; replaces an
    /// earlier callback. The descriptor stays the caller's: remove the callback before it is closed. A
    /// coroutine awaits `wait_readable(fd)` instead.
    /// Throws  OSError       it is closed, or always ready (a file: PermissionError); ValueError  it is
    ///         negative RuntimeError  it belongs to a stream, a task waits for it, or the loop is closed
    /// Threads loop thread
    /// Python  loop.add_reader
    template <class F, class... Args>
    void add_reader(int fd, F&& function, Args&&... args) {
        add_watch(fd, reading, detail::bind_repeated(std::forward<F>(function), std::forward<Args>(args)...));
    }
    /// False if there was no callback.
    /// Threads loop thread
    /// Python  loop.remove_reader
    bool remove_reader(int fd) { return remove_watch(fd, reading); }
    /// The same for writing.
    /// Threads loop thread
    /// Python  loop.add_writer, loop.remove_writer
    template <class F, class... Args>
    void add_writer(int fd, F&& function, Args&&... args) {
        add_watch(fd, writing, detail::bind_repeated(std::forward<F>(function), std::forward<Args>(args)...));
    }
    bool remove_writer(int fd) { return remove_watch(fd, writing); }

    /// The loop's clock: monotonic, or virtual. Cached for the current step.
    TimePoint time() const noexcept;

    /// As asyncio::create_task, on this loop, which need not run yet.
    /// Throws  RuntimeError  the loop is closed, or another one runs in this thread
    /// Suspends never
    /// Cancel  no effect
    /// Threads loop thread
    /// Python  loop.create_task
    template <class T>
    Task<T> create_task(Coro<T> coro, const TaskOptions& options, detail::Where where = detail::where_here());
    template <class T>
    Task<T> create_task(Coro<T> coro, detail::Where where = detail::where_here());
    template <class T = void>
    Future<T> create_future();

    // ---- sockets of the program's own: what they have in common stands in net/sock.hpp --------------
    /// At most so many bytes; none: the peer has closed.
    /// Suspends if the call would block
    /// Cancel  nothing is lost
    /// Threads loop thread
    Coro<std::string> sock_recv(int socket, std::size_t bytes_max);
    /// The same into memory of the caller's; how many.
    /// Suspends if the call would block
    /// Cancel  nothing is lost
    /// Threads loop thread
    Coro<std::size_t> sock_recv_into(int socket, std::span<std::byte> buffer);
    /// A datagram, cut off at so many bytes, and its sender.
    /// Suspends if the call would block
    /// Cancel  nothing is lost
    /// Threads loop thread
    Coro<std::pair<std::string, Address>> sock_recvfrom(int socket, std::size_t bytes_max);
    /// The same into memory of the caller's.
    /// Suspends if the call would block
    /// Cancel  nothing is lost
    /// Threads loop thread
    Coro<std::pair<std::size_t, Address>> sock_recvfrom_into(int socket, std::span<std::byte> buffer);
    /// Sends all of it.
    /// Suspends if the call would block
    /// Cancel  a part may have been sent
    /// Threads loop thread
    Coro<> sock_sendall(int socket, std::string_view data);
    /// Sends a datagram; gives its size.
    /// Suspends if the call would block
    /// Cancel  nothing was sent
    /// Threads loop thread
    Coro<std::size_t> sock_sendto(int socket, std::string_view data, Address address);
    /// A connection, as a non-blocking descriptor that is the caller's, and its peer.
    /// Suspends if the call would block
    /// Cancel  nothing is lost
    /// Threads loop thread
    Coro<std::pair<int, Address>> sock_accept(int socket);
    /// Connects. (`resolve` a name first.)
    /// Suspends if the call would block
    /// Cancel  unknown: close the socket
    /// Threads loop thread
    Coro<> sock_connect(int socket, Address address);
    /// Sends a file, or `count` bytes of it, from `offset` on; how many. The file's own position stays. (With
    /// options: `#include <asyncio/net/sendfile.hpp>`; what the kernel cannot send by itself is read and
    /// written.)
    /// Suspends if the call would block
    /// Cancel  a part may have been sent: `*options.sent`
    /// Threads loop thread
    Coro<std::uint64_t> sock_sendfile(int socket, int file, SendfileOptions options);
    /// Suspends if the call would block
    /// Cancel  a part may have been sent
    /// Threads loop thread
    Coro<std::uint64_t> sock_sendfile(int socket, int file, std::uint64_t offset = 0,
                                      std::optional<std::uint64_t> count = std::nullopt);

    /// The system's getaddrinfo(3), on threads of its own; `#include <asyncio/net/resolver.hpp>`. An empty
    /// host is none. To connect, `open_connection` and `resolve` take names themselves.
    /// Throws  gaierror  nothing was found: its text names the host; ValueError  a zero byte, or nothing
    ///         asked
    /// Suspends unless the host is numeric
    /// Cancel  the look-up is abandoned
    /// Threads loop thread
    /// Python  loop.getaddrinfo
    Coro<std::vector<AddressInfo>> getaddrinfo(std::string_view host, std::string_view service,
                                               AddressInfoOptions options);
    Coro<std::vector<AddressInfo>> getaddrinfo(std::string_view host, std::uint16_t port,
                                               AddressInfoOptions options);
    Coro<std::vector<AddressInfo>> getaddrinfo(std::string_view host, std::uint16_t port);
    /// The name of a host and of a service: getnameinfo(3), with its flags (NI_NUMERICHOST …).
    /// Throws  gaierror  there is none; ValueError  the address has no host and port
    /// Suspends unless both are to be numbers
    /// Cancel  the look-up is abandoned
    /// Threads loop thread
    /// Python  loop.getnameinfo
    Coro<std::pair<std::string, std::string>> getnameinfo(Address address, int flags = 0);

    /// Runs until `stop()`.
    /// Throws  RuntimeError  a loop is running in this thread, or this one is closed
    /// Python  loop.run_forever
    void run_forever();
    /// Runs until the coroutine has ended; returns its result or throws its exception.
    /// Throws  RuntimeError  as run_forever, and "event loop stopped before the coroutine completed"
    /// Suspends never: it blocks the thread
    /// Cancel  no effect: cancel a task of it
    /// Threads loop thread
    /// Python  loop.run_until_complete
    template <class T>
    T run_until_complete(Coro<T> coro);
    /// The same for a task or future of this loop: gives a copy of its result.
    template <class T>
    T run_until_complete(const Task<T>& task);
    template <class T>
    T run_until_complete(const Future<T>& future);
    /// Calls `function(args…)` on a thread of `executor`; `nullptr` is the default one, that of `to_thread`.
    /// It runs whether or not anybody awaits the future, so it must own its data: no references, pointers,
    /// views or capturing lambdas. If the function can take a std::stop_token first, it is given one.
    /// Throws  RuntimeError  the loop is closed, or the executor was shut down; QueueFull  as many calls wait
    ///         already as the executor allows; OSError  no thread can be started
    /// Suspends never: it starts the call and gives a Future
    /// Cancel  cancelling the future takes a call back that has not begun; one that has is abandoned: its
    ///         stop_token is set, its result destroyed on the loop's thread
    /// Threads loop thread; the function runs on another
    /// Python  loop.run_in_executor
    template <class F, class... Args>
    auto run_in_executor(ThreadPoolExecutor& executor, F&& function, Args&&... args);
    template <class F, class... Args>
    auto run_in_executor(std::nullptr_t, F&& function, Args&&... args);
    /// From here on `to_thread` and `run_in_executor(nullptr, …)` use this one, which the loop owns: it shuts
    /// it down when it closes. Calls of the one before go on.
    /// Throws  RuntimeError  the loop is closed
    /// Threads loop thread
    /// Python  loop.set_default_executor
    void set_default_executor(ThreadPoolExecutor executor);
    /// The default executor takes no more calls; waits until its threads have ended, at most `timeout`. Those
    /// that still run then are named by a warning and left behind.
    /// Suspends if threads run
    /// Cancel  the loop waits for them when it closes, or the next call of this does
    /// Threads loop thread
    /// Python  loop.shutdown_default_executor. `run` and `close` do the same with their own time limit
    Coro<> shutdown_default_executor(Duration timeout = std::chrono::minutes(5));

    /// Ends `run_forever` after the callbacks that are ready now.
    void stop() noexcept;
    /// Runs one iteration: for driving the loop from outside. Waits at most `timeout` for something to do.
    /// Returns whether there is more to do at once.
    /// Throws  RuntimeError  from inside a callback or coroutine of a loop
    bool poll_once(Duration timeout = Duration::zero());
    /// For a host that waits with poll(2) and the like, in an event loop of its own: this can be read as soon
    /// as poll_once has something to do, be it the kernel's or from another thread. Call poll_once, then wait
    /// for this descriptor at most `poll_timeout()`, and so on. It may not be read, written or closed; -1 on
    /// the simulated backend.
    int poll_descriptor() const noexcept;
    /// How long poll_once may be put off while poll_descriptor() is quiet: until the next timer, on the
    /// loop's clock; zero if something is ready. Duration::none() if there is no timer.
    Duration poll_timeout() const noexcept;
    /// The same as poll(2) takes it: milliseconds, rounded up; -1 if there is no timer.
    int poll_timeout_ms() const noexcept;
    /// Cancels all live tasks, runs until they have ended and the kernel holds nothing, joins the loop's
    /// threads. Does nothing the second time.
    /// Throws  RuntimeError  the loop is running
    /// Python  loop.close, after what asyncio.run does
    void close();
    bool is_running() const noexcept;
    bool is_closed() const noexcept;

    /// A handle to this loop for other threads: it may outlive the loop.
    LoopHandle remote() const;

    using ExceptionHandler = UniqueFunction<void(EventLoop&, const ExceptionContext&)>;
    /// Replaces what is done with exceptions that nobody awaits; an empty one restores the default, which
    /// prints.
    void set_exception_handler(ExceptionHandler handler);
    /// Reports to the handler. What the handler throws is printed, never propagated.
    void call_exception_handler(const ExceptionContext& context) noexcept;
    void default_exception_handler(const ExceptionContext& context) noexcept;

    /// Replaces how tasks are made of coroutines: by `create_task`, `ensure_future`, TaskGroups, `gather`,
    /// `as_completed`, `run` and what is built on these. An empty one, or nullptr, restores the default.
    /// Python  loop.set_task_factory. See create_eager_task_factory
    void set_task_factory(TaskFactory factory);
    /// A copy of the factory; empty if it is the default.
    TaskFactory get_task_factory() const;

    bool get_debug() const noexcept;
    /// Also while it runs.
    void set_debug(bool on) noexcept;
    /// In debug mode a callback or step of a task that takes this long or longer is reported, on the loop's
    /// clock. Duration::none() reports none.
    /// Python  loop.slow_callback_duration, an attribute
    void set_slow_callback_duration(Duration duration) noexcept;
    Duration slow_callback_duration() const noexcept;

    /// What this loop runs on; never `automatic`.
    Backend backend() const noexcept;

    /// For the library's own layers.
    detail::LoopImpl& impl() noexcept { return *impl_; }

  private:
    Handle schedule_soon(UniqueFunction<void()>&& function);
    Handle schedule_soon_in(const ContextOptions& options, UniqueFunction<void()>&& function);
    TimerHandle schedule_at(TimePoint when, UniqueFunction<void()>&& function);
    TimerHandle schedule_at_in(const ContextOptions& options, TimePoint when,
                               UniqueFunction<void()>&& function);
    TimerHandle arm(TimePoint when, detail::Callback* callback);
    void post(const ContextOptions& options, UniqueFunction<void()>&& function);
    static constexpr detail::Direction reading{0};
    static constexpr detail::Direction writing{1};
    void add_watch(int fd, detail::Direction direction, UniqueFunction<void()>&& function);
    bool remove_watch(int fd, detail::Direction direction);
    void set_signal_handler(int number, UniqueFunction<void()>&& function);
    TimePoint time_after(Duration delay) const noexcept;
    friend class Runner;
    /// create_task: on this loop, whether it runs or will.
    void start_here(detail::PromiseBase* frame, const TaskOptions& options, detail::Where where);
    /// Makes the coroutine a task of this loop, which does not run yet.
    detail::PromiseBase* start_in(detail::PromiseBase* frame, const Context* context = nullptr);
    void run_until_done(detail::PromiseBase* task);

    std::unique_ptr<detail::LoopImpl> impl_;
};

/// The loop that runs this code.
/// Throws  RuntimeError  "no running event loop"
/// Threads any thread
/// Python  asyncio.get_running_loop
EventLoop& get_running_loop();

/// The names of the backends that this machine lets us use, best first, and `sim`.
std::string available_backends();

/// "epoll", "io_uring", "sim", "automatic".
std::string_view to_string(Backend backend) noexcept;

}}  // namespace asyncio::v1
