// run_app: a loop, a site, and the two signals that end it.
//
// The signal handler writes a byte into a pipe; a thread that does nothing else reads it and completes a
// future of the loop, which is more than a handler may do. The second signal finds the default action
// restored.
//
// A signal may come to any thread, and its handler be slower than the end of run_app: the pipe is closed when
// no handler is at work, else the byte might go into whatever gets the pipe's number next.
#include "asyncio/http/web/run_app.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>

#include "asyncio/base/error.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/remote.hpp"
#include "asyncio/task/runner.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace {

// Shared with the signal handler.
std::atomic<int> wake_pipe{-1};
std::atomic<int> handlers_running{0};  // while it is not 0, the pipe that they may write into stays open

void on_signal(int number) noexcept {
    const int saved_errno = errno;
    // Sequentially consistent both, like their partners in ~SignalWatch: either we see no pipe, or it sees
    // us.
    handlers_running.fetch_add(1);
    const int pipe = wake_pipe.exchange(-1);
    if (pipe >= 0) {
        [[maybe_unused]] const auto written = ::write(pipe, "x", 1);
    } else {
        ::signal(number, SIG_DFL);
        ::raise(number);  // is taken when this handler returns
    }
    handlers_running.fetch_sub(1);
    errno = saved_errno;
}

/// While it lives, SIGINT and SIGTERM complete a future instead of ending the process; if they are at their
/// default, and in the main thread.
class SignalWatch {
  public:
    explicit SignalWatch(bool wanted) {
        if (!wanted || ::getpid() != ::gettid()) return;
        if (::pipe2(ends_.data(), O_CLOEXEC) != 0) throw_os_error(errno, "pipe2 for the signals of run_app");
        wake_pipe.store(ends_[1]);
        for (Signal& each : signals_) {
            struct sigaction current{};
            if (::sigaction(each.number, nullptr, &current) != 0 || current.sa_handler != SIG_DFL) continue;
            struct sigaction ours{};
            ours.sa_handler = &on_signal;
            sigemptyset(&ours.sa_mask);
            ours.sa_flags = SA_RESTART;
            each.installed = ::sigaction(each.number, &ours, nullptr) == 0;
        }
    }
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;
    ~SignalWatch() {
        for (const Signal& each : signals_) {
            if (each.installed) ::signal(each.number, SIG_DFL);
        }
        wake_pipe.store(-1);
        while (handlers_running.load() != 0) ::sched_yield();  // a write into an empty pipe does not wait
        if (ends_[1] >= 0) ::close(ends_[1]);  // the thread reads the end of the file and goes
        if (thread_.joinable()) thread_.join();
        if (ends_[0] >= 0) ::close(ends_[0]);
    }

    /// To be called once; a signal that came before counts.
    void watch(RemoteFuture<void> future) {
        if (ends_[0] < 0) return;
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            thread_ = std::thread([pipe = ends_[0], stop = std::move(future)]() mutable {
                char byte = 0;
                if (::read(pipe, &byte, 1) != 1) return;
                try {
                    stop.set_result();
                } catch (const std::exception&) {
                    // The loop has ended by itself.
                }
            });
        } catch (...) {
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

  private:
    struct Signal {
        int number;
        bool installed = false;
    };
    std::array<int, 2> ends_{-1, -1};
    std::array<Signal, 2> signals_{Signal{SIGINT}, Signal{SIGTERM}};
    std::thread thread_;
};

/// Whoever has pressed Ctrl-C is not left to wonder why the program is still there.
void say_what_is_waited_for(std::size_t requests, Duration limit) {
    if (requests == 0 || limit <= Duration::zero()) return;
    std::string text = "stopping: waiting";
    if (limit.has_value()) {
        char seconds[32];
        std::snprintf(seconds, sizeof seconds, " up to %g s", limit.seconds());
        text += seconds;
    }
    text += " for " + std::to_string(requests) + (requests == 1 ? " request" : " requests");
    std::fprintf(stderr, "%s; Ctrl-C again ends at once\n", text.c_str());
}

Coro<> serve_until_signalled(Application& application, RunAppOptions options, SignalWatch& signals) {
    const SiteOptions site_options{.host = options.host,
                                   .port = options.port,
                                   .backlog = options.backlog,
                                   .reuse_port = options.reuse_port,
                                   .keepalive_timeout = options.keepalive_timeout,
                                   .client_timeout = options.client_timeout,
                                   .lingering_time = options.lingering_time,
                                   .shutdown_timeout = options.shutdown_timeout,
                                   .ssl = options.ssl};
    Future<> stop;
    signals.watch(stop.remote());
    // `with` keeps the lambda until it returns.
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines)
    co_await with(start(application, site_options), [&](Site& site) -> Coro<> {
        if (options.on_started != nullptr) options.on_started(site);
        co_await stop;
        say_what_is_waited_for(site.requests(), options.shutdown_timeout);
    });
}

}  // namespace

void print_running_on(const Site& site) {
    std::printf("======== Running on %s ========\n(Press CTRL+C to quit)\n", site.url().c_str());
    std::fflush(stdout);
}

void run_app(Application& application, RunAppOptions options) {
    SignalWatch signals(options.handle_signals);
    asyncio::run(serve_until_signalled(application, options, signals), options.loop);
}
void run_app(Application&& application, RunAppOptions options) { run_app(application, options); }

}}}  // namespace asyncio::v1::http::web
