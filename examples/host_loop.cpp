// A program with a main loop of its own (a game, a window system) that also drives asyncio: it waits with
// poll(2) for its own descriptor and for the loop's, and calls poll_once when there is something to do.
#include <poll.h>
#include <unistd.h>
#include <asyncio/asyncio.hpp>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

/// Stands for the window system: events come as bytes in a pipe.
class Host {
  public:
    Host() {
        if (::pipe(pipe_) != 0) throw asyncio::OSError(errno, "pipe");
    }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    ~Host() {
        ::close(pipe_[0]);
        ::close(pipe_[1]);
    }
    void post_event(char event) const { static_cast<void>(!::write(pipe_[1], &event, 1)); }

    /// One turn: waits for an event of either side; false after the event 'q'.
    bool turn(asyncio::EventLoop& loop) const {
        // First what asyncio has to do; it may ask for the next turn at once.
        while (loop.poll_once()) {}
        pollfd entries[] = {{pipe_[0], POLLIN, 0}, {loop.poll_descriptor(), POLLIN, 0}};
        ::poll(entries, 2, loop.poll_timeout_ms());
        if ((entries[0].revents & POLLIN) == 0) return true;
        char event = 0;
        if (::read(pipe_[0], &event, 1) != 1) return false;
        std::printf("host: event '%c'\n", event);
        return event != 'q';
    }

  private:
    int pipe_[2];
};

asyncio::Coro<> background(const Host& host) {
    for (int i = 1; i <= 3; ++i) {
        co_await asyncio::sleep(5ms);
        std::printf("task: step %d\n", i);
    }
    int answer = co_await asyncio::to_thread([] { return 42; });  // a thread wakes the host, too
    std::printf("task: the thread says %d\n", answer);
    host.post_event('q');
}

}  // namespace

int main() {
    const Host host;
    asyncio::EventLoop loop;
    host.post_event('a');
    auto task = loop.create_task(background(host));
    while (host.turn(loop)) {}
    loop.close();
    std::puts("host: done");
}
