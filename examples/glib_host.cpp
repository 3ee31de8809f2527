// A GLib program (GTK and the like) whose main loop also drives asyncio: a GSource that waits for the loop's
// descriptor and until its next timer. Copy LoopSource into your program.
#include <glib.h>
#include <asyncio/asyncio.hpp>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

/// Lets GLib's main context drive a loop, for as long as it lives.
class LoopSource {
  public:
    explicit LoopSource(asyncio::EventLoop& loop) : source_(g_source_new(&functions_, sizeof(Source))) {
        auto* const me = reinterpret_cast<Source*>(source_);
        me->loop = &loop;
        me->descriptor = g_source_add_unix_fd(source_, loop.poll_descriptor(), G_IO_IN);
        g_source_attach(source_, nullptr);
    }
    LoopSource(const LoopSource&) = delete;
    LoopSource& operator=(const LoopSource&) = delete;
    ~LoopSource() {
        g_source_destroy(source_);
        g_source_unref(source_);
    }

  private:
    struct Source {
        GSource base;
        asyncio::EventLoop* loop;
        gpointer descriptor;
    };
    static asyncio::EventLoop& loop_of(GSource* source) { return *reinterpret_cast<Source*>(source)->loop; }

    static gboolean prepare(GSource* source, gint* timeout_ms) noexcept {
        *timeout_ms = loop_of(source).poll_timeout_ms();
        return *timeout_ms == 0 ? TRUE : FALSE;
    }
    static gboolean dispatch(GSource* source, GSourceFunc, gpointer) noexcept {
        loop_of(source).poll_once();
        return G_SOURCE_CONTINUE;
    }
    /// Its descriptor can be read, or there is something to do by now.
    static gboolean check(GSource* source) noexcept {
        const Source* const me = reinterpret_cast<Source*>(source);
        if (g_source_query_unix_fd(source, me->descriptor) != 0) return TRUE;
        return me->loop->poll_timeout_ms() == 0 ? TRUE : FALSE;
    }
    static GSourceFuncs functions_;

    GSource* source_;
};
GSourceFuncs LoopSource::functions_ = {&prepare, &check, &dispatch, nullptr, nullptr, nullptr};

asyncio::Coro<> background(GMainLoop* main_loop) {
    for (int i = 1; i <= 3; ++i) {
        co_await asyncio::sleep(5ms);
        std::printf("task: step %d\n", i);
    }
    int answer = co_await asyncio::to_thread([] { return 42; });
    std::printf("task: the thread says %d\n", answer);
    g_main_loop_quit(main_loop);
}

gboolean on_idle(gpointer) {
    std::puts("glib: idle");
    return G_SOURCE_REMOVE;
}

}  // namespace

int main() {
    GMainLoop* const main_loop = g_main_loop_new(nullptr, FALSE);
    g_idle_add(&on_idle, nullptr);
    asyncio::EventLoop loop;
    auto task = loop.create_task(background(main_loop));
    {
        const LoopSource source(loop);
        g_main_loop_run(main_loop);
    }
    loop.close();
    g_main_loop_unref(main_loop);
    std::puts("glib: done");
}
