// EventLoop: one thread's loop. Most programs never name it: they call `run`.
#pragma once
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/function.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/backend.hpp"
#include "asyncio/core/clock.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/core/handle.hpp"

namespace asyncio { inline namespace v1 {

class Address;
class LoopHandle;
template <class T>
class Future;
template <class T>
class Task;
struct TaskOptions;

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
    /// As `call_soon`, from any thread. See `LoopHandle` for a loop that may be gone.
    /// Threads any thread, while the loop exists
    /// Python  loop.call_soon_threadsafe; returns no handle
    template <class F, class... Args>
    void call_soon_threadsafe(F&& function, Args&&... args) {
        post(detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
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
    /// Calls `function(args…)` at `when` on this loop's clock.
    /// Throws  RuntimeError  the loop is closed
    /// Threads loop thread
    /// Python  loop.call_at
    template <class F, class... Args>
    TimerHandle call_at(TimePoint when, F&& function, Args&&... args) {
        return schedule_at(when, detail::bind(std::forward<F>(function), std::forward<Args>(args)...));
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
    /// Sends a file, or `count` bytes of it, from `offset` on; how many. The file's own position stays.
    /// Suspends if the call would block
    /// Cancel  a part may have been sent
    /// Threads loop thread
    Coro<std::uint64_t> sock_sendfile(int socket, int file, std::uint64_t offset = 0,
                                      std::optional<std::uint64_t> count = std::nullopt);

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
    TimerHandle schedule_at(TimePoint when, UniqueFunction<void()>&& function);
    void post(UniqueFunction<void()>&& function);
    static constexpr detail::Direction reading{0};
    static constexpr detail::Direction writing{1};
    void add_watch(int fd, detail::Direction direction, UniqueFunction<void()>&& function);
    bool remove_watch(int fd, detail::Direction direction);
    void set_signal_handler(int number, UniqueFunction<void()>&& function);
    TimePoint time_after(Duration delay) const noexcept;
    friend class Runner;
    /// create_task: on this loop, whether it runs or will.
    void start_here(detail::PromiseBase* frame, const TaskOptions& options, detail::Where where);
    /// Makes the coroutine a task of this loop, which need not run yet.
    detail::PromiseBase* start_in(detail::PromiseBase* frame);
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
