// The floor of the jobs inside a process: bare C++20 coroutines with frames from a free list, a ring of
// handles for what is ready, a 4-ary heap for timers. No cancellation, no names, no errors, nothing that a
// library owes its users.
//
//   job=switch|spawn|gather|await_depth|generator|exception|sleepers|timers|timer_cancel|timeout|queue  n=…
#include <sys/epoll.h>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

#include "common/bench.h"

namespace {

// ---- frames
// ----------------------------------------------------------------------------------------------------

class FrameList {
  public:
    void* take(std::size_t bytes) {
        const std::size_t size_class = (bytes + 31) / 32;
        if (size_class >= classes) return std::malloc(bytes);
        if (void* const block = free_[size_class]) {
            free_[size_class] = *static_cast<void**>(block);
            return block;
        }
        const std::size_t size = size_class * 32;
        if (static_cast<std::size_t>(end_ - next_) < size) {
            next_ = static_cast<char*>(std::malloc(chunk));
            end_ = next_ + chunk;
        }
        return std::exchange(next_, next_ + size);
    }
    void give(void* block, std::size_t bytes) {
        const std::size_t size_class = (bytes + 31) / 32;
        if (size_class >= classes) return std::free(block);
        *static_cast<void**>(block) = free_[size_class];
        free_[size_class] = block;
    }

  private:
    static constexpr std::size_t classes = 64, chunk = 1 << 20;
    void* free_[classes] = {};
    char* next_ = nullptr;
    char* end_ = nullptr;
};
FrameList frames;

struct FromFrameList {
    static void* operator new(std::size_t bytes) { return frames.take(bytes); }
    static void operator delete(void* block, std::size_t bytes) { frames.give(block, bytes); }
};

// ---- the loop
// --------------------------------------------------------------------------------------------------

// A timer knows its place in the heap, so that it can be taken out.
struct HeapTimer {
    std::uint64_t when = 0;
    std::size_t place = 0;
    std::coroutine_handle<> waiter;
};

class Heap {
  public:
    bool empty() const { return entries_.empty(); }
    std::uint64_t first_when() const { return entries_.front().when; }
    void insert(HeapTimer* timer) {
        entries_.push_back({timer->when, timer});
        move_up(entries_.size() - 1);
    }
    void remove(HeapTimer* timer) {
        const std::size_t place = timer->place;
        const Entry last = entries_.back();
        entries_.pop_back();
        if (place == entries_.size()) return;
        put(place, last);
        move_up(place);
        move_down(last.timer->place);
    }
    HeapTimer* pop() {
        HeapTimer* const first = entries_.front().timer;
        remove(first);
        return first;
    }

  private:
    struct Entry {
        std::uint64_t when;
        HeapTimer* timer;
    };
    void put(std::size_t place, Entry entry) {
        entries_[place] = entry;
        entry.timer->place = place;
    }
    void move_up(std::size_t place) {
        const Entry moved = entries_[place];
        while (place != 0 && moved.when < entries_[(place - 1) / 4].when) {
            put(place, entries_[(place - 1) / 4]);
            place = (place - 1) / 4;
        }
        put(place, moved);
    }
    void move_down(std::size_t place) {
        const Entry moved = entries_[place];
        for (std::size_t child = 4 * place + 1; child < entries_.size(); child = 4 * place + 1) {
            std::size_t least = child;
            for (std::size_t i = child + 1; i < child + 4 && i < entries_.size(); ++i) {
                if (entries_[i].when < entries_[least].when) least = i;
            }
            if (moved.when <= entries_[least].when) break;
            put(place, entries_[least]);
            place = least;
        }
        put(place, moved);
    }
    std::vector<Entry> entries_;
};

class Loop {
  public:
    Heap timers;

    void push(std::coroutine_handle<> ready) {
        if (last_ - first_ == ring_.size()) grow();
        ring_[last_++ & (ring_.size() - 1)] = ready;
    }
    void run() {
        epoll_event events[64];
        for (;;) {
            for (const std::size_t end = last_; first_ != end;) ring_[first_++ & (ring_.size() - 1)].resume();
            if (timers.empty()) {
                if (first_ == last_) return;
                continue;
            }
            const std::uint64_t now = bench_now_ns();
            bool any = false;
            for (; !timers.empty() && timers.first_when() <= now; any = true) timers.pop()->waiter.resume();
            if (any || first_ != last_ || timers.empty()) continue;
            const std::uint64_t when = timers.first_when();
            epoll_wait(epoll_, events, 64,
                       when > now ? static_cast<int>((when - now + 999'999) / 1'000'000) : 0);
        }
    }

  private:
    [[gnu::noinline]] void grow() {
        std::vector<std::coroutine_handle<>> larger(ring_.size() * 2);
        std::size_t count = 0;
        for (std::size_t i = first_; i != last_; ++i) larger[count++] = ring_[i & (ring_.size() - 1)];
        ring_.swap(larger);
        first_ = 0;
        last_ = count;
    }
    std::vector<std::coroutine_handle<>> ring_{1024};
    std::size_t first_ = 0;
    std::size_t last_ = 0;
    int epoll_ = epoll_create1(0);
};
Loop loop;

// ---- coroutines
// ------------------------------------------------------------------------------------------------

// Runs at once and is awaited by nobody.
struct Detached {
    struct promise_type : FromFrameList {
        Detached get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

struct ResumeContinuation {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept {
        return h.promise().continuation;
    }
    void await_resume() noexcept {}
};
struct QueueContinuation {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) noexcept {
        h.promise().done = true;
        if (h.promise().continuation) loop.push(h.promise().continuation);
    }
    void await_resume() noexcept {}
};
struct QueueItself {
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept { loop.push(h); }
    void await_resume() noexcept {}
};

// Spawned: queued at once, awaited when it may be done. Not Spawned: runs in place when it is awaited.
template <bool Spawned>
class Coroutine {
  public:
    struct promise_type : FromFrameList {
        std::coroutine_handle<> continuation;
        long value = 0;
        bool done = false;
        Coroutine get_return_object() {
            return Coroutine(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::conditional_t<Spawned, QueueItself, std::suspend_always> initial_suspend() noexcept {
            return {};
        }
        std::conditional_t<Spawned, QueueContinuation, ResumeContinuation> final_suspend() noexcept {
            return {};
        }
        void return_value(long v) { value = v; }
        void unhandled_exception() { std::terminate(); }
    };
    explicit Coroutine(std::coroutine_handle<promise_type> h) : handle_(h) {}
    Coroutine(Coroutine&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Coroutine& operator=(Coroutine&&) = delete;
    ~Coroutine() {
        if (handle_) handle_.destroy();
    }
    bool await_ready() const { return Spawned && handle_.promise().done; }
    auto await_suspend(std::coroutine_handle<> caller) {
        handle_.promise().continuation = caller;
        if constexpr (!Spawned) return std::coroutine_handle<>(handle_);
    }
    long await_resume() const { return handle_.promise().value; }

  private:
    std::coroutine_handle<promise_type> handle_;
};
using Call = Coroutine<false>;
using Task = Coroutine<true>;

struct Sleep : HeapTimer {
    explicit Sleep(std::uint64_t ns) : delay(ns) {}
    std::uint64_t delay;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> h) {
        waiter = h;
        when = bench_now_ns() + delay;
        loop.timers.insert(this);
    }
    void await_resume() {}
};

// ---- the jobs
// --------------------------------------------------------------------------------------------------

constexpr const char* impl = "floor";
double ns_each(std::uint64_t begin, long count) {
    return static_cast<double>(bench_now_ns() - begin) / static_cast<double>(count);
}

Detached turns(long n, long* done) {
    for (long i = 0; i < n; ++i) {
        co_await QueueItself();
        ++*done;
    }
}
void measure_switch(long n) {
    long done = 0;
    turns(n / 2, &done);
    turns(n / 2, &done);
    const std::uint64_t begin = bench_now_ns();
    loop.run();
    const double ns = ns_each(begin, n);
    bench_prove(done == n / 2 * 2, "every switch was made");
    bench_print("switch", impl, ns, "ns", nullptr);
}

Task number(long i) { co_return i; }
Detached spawn_all(long n, long* sum) {
    for (long i = 0; i < n; ++i) *sum += co_await number(1);
}
void measure_spawn(long n) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    spawn_all(n, &sum);
    loop.run();
    const double ns = ns_each(begin, n);
    bench_prove(sum == n, "every task gave its result");
    bench_print("spawn", impl, ns, "ns", nullptr);
}

Detached gather_all(long n, long* sum) {
    std::vector<Task> tasks;
    tasks.reserve(static_cast<std::size_t>(n));
    for (long i = 0; i < n; ++i) tasks.push_back(number(i));
    for (Task& task : tasks) *sum += co_await task;
}
void gather_once(long n) {
    long sum = 0;
    gather_all(n, &sum);
    loop.run();
    bench_prove(sum == n * (n - 1) / 2, "every result is there");
}
void measure_gather(long n, long repeats) {
    const double before = bench_resident();
    std::uint64_t begin = bench_now_ns();
    gather_once(n);
    const double cold = ns_each(begin, n);
    const double bytes = (bench_peak() - before) / static_cast<double>(n);
    begin = bench_now_ns();
    for (long i = 0; i < repeats; ++i) gather_once(n);
    bench_print("gather", impl, ns_each(begin, n * repeats), "ns", "cold_ns", cold, "bytes", bytes, nullptr);
}

[[gnu::noinline]] Call deep(long depth) {
    if (depth == 0) co_return 1;
    co_return 1 + co_await deep(depth - 1);
}
Detached call_deep(long n, long depth, long* sum) {
    for (long i = 0; i < n; ++i) *sum += co_await deep(depth - 1);
}
void measure_depth(long n, long depth) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    call_deep(n, depth, &sum);
    const double ns = ns_each(begin, n * depth);
    bench_prove(sum == n * depth, "every level was entered");
    bench_print("await_depth", impl, ns, "ns", nullptr);
}

// An async generator by symmetric transfer from consumer to body and back.
class Numbers {
  public:
    struct promise_type : FromFrameList {
        std::coroutine_handle<> consumer;
        const long* item = nullptr;
        struct BackToConsumer {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
                return h.promise().consumer;
            }
            void await_resume() const noexcept {}
        };
        Numbers get_return_object() {
            return Numbers(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        BackToConsumer final_suspend() noexcept {
            item = nullptr;
            return {};
        }
        BackToConsumer yield_value(const long& value) noexcept {
            item = &value;
            return {};
        }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    struct Next {
        std::coroutine_handle<promise_type> body;
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) const noexcept {
            body.promise().consumer = h;
            return body;
        }
        const long* await_resume() const noexcept { return body.promise().item; }
    };
    explicit Numbers(std::coroutine_handle<promise_type> body) : body_(body) {}
    Numbers(const Numbers&) = delete;
    ~Numbers() { body_.destroy(); }
    Next next() { return {body_}; }

  private:
    std::coroutine_handle<promise_type> body_;
};
Numbers numbers(long count) {
    for (long i = 0; i < count; ++i) co_yield i;
}
Detached sum_of_numbers(long count, long* sum) {
    Numbers all = numbers(count);
    while (const long* item = co_await all.next()) *sum += *item;
}
void measure_generator(long n) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    sum_of_numbers(n, &sum);
    loop.run();
    const double ns = ns_each(begin, n);
    bench_prove(sum == n * (n - 1) / 2, "every item arrived");
    bench_print("generator", impl, ns, "ns", nullptr);
}

struct Failure : std::exception {};
[[gnu::noinline]] void fail() { throw Failure(); }
// One throw and one catch without a coroutine: what no implementation can avoid.
void measure_exception(long n) {
    long caught = 0;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) {
        try {
            fail();
        } catch (const Failure&) {
            ++caught;
        }
    }
    const double us = ns_each(begin, n) / 1000;
    bench_prove(caught == n, "every exception arrived");
    bench_print("exception", impl, us, "us", nullptr);
}

Detached sleeper(std::uint64_t ns, long* ended) {
    co_await Sleep(ns);
    ++*ended;
}
void measure_sleepers(long n, double seconds) {
    long ended = 0;
    const double memory_before = bench_resident();
    const double cpu_before = bench_cpu_s();
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) sleeper(static_cast<std::uint64_t>(seconds * 1e9), &ended);
    loop.run();
    const double late_ms = ns_each(begin, 1) * 1e-6 - seconds * 1e3;
    bench_prove(ended == n && late_ms >= 0, "all have slept, nobody woke early");
    bench_print("sleepers", impl, (bench_peak() - memory_before) / static_cast<double>(n), "B", "cpu_s",
                bench_cpu_s() - cpu_before, "late_ms", late_ms, nullptr);
}
void measure_timers(long n, double range_s) {
    long ended = 0;
    std::uint64_t random = 88172645463325252u;
    const double memory_before = bench_resident();
    const double cpu_before = bench_cpu_s();
    for (long i = 0; i < n; ++i) {
        sleeper(bench_random(&random) % static_cast<std::uint64_t>(range_s * 1e9), &ended);
    }
    loop.run();
    bench_prove(ended == n, "all have slept");
    bench_print("timers", impl, (bench_cpu_s() - cpu_before) * 1e9 / static_cast<double>(n), "ns", "bytes",
                (bench_peak() - memory_before) / static_cast<double>(n), nullptr);
}
void measure_timer_cancel(long n, bool read_clock) {
    std::vector<HeapTimer> outstanding(1000);
    std::uint64_t random = 1;
    for (HeapTimer& timer : outstanding) {
        timer.when = 3'600'000'000'000 + bench_random(&random) % 1'000'000'000;
        loop.timers.insert(&timer);
    }
    HeapTimer timer;
    std::uint64_t now = 0;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) {
        now = read_clock ? bench_now_ns() - begin : now + 1;
        timer.when = now + 7'200'000'000'000;
        loop.timers.insert(&timer);
        asm volatile("" ::: "memory");
        loop.timers.remove(&timer);
    }
    const double ns = ns_each(begin, n);
    bench_prove(loop.timers.first_when() < 7'200'000'000'000, "every timer was taken out");
    bench_print("timer_cancel", impl, ns, "ns", nullptr);
}

Call yielding() {
    co_await QueueItself();
    co_return 1;
}
Detached all_under_alarms(long n, long* sum) {
    HeapTimer alarm;
    for (long i = 0; i < n; ++i) {
        alarm.when = bench_now_ns() + 1'000'000'000;
        loop.timers.insert(&alarm);
        *sum += co_await yielding();
        loop.timers.remove(&alarm);
    }
}
void measure_timeout(long n) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    all_under_alarms(n, &sum);
    loop.run();
    const double ns = ns_each(begin, n);
    bench_prove(sum == n, "every operation ended in time");
    bench_print("timeout", impl, ns, "ns", nullptr);
}

// A ring; one task waits at each end, no more.
class Channel {
  public:
    explicit Channel(std::size_t size) : items_(size) {}
    struct Put {
        Channel& channel;
        long item;
        bool await_ready() const { return channel.last_ - channel.first_ < channel.items_.size(); }
        void await_suspend(std::coroutine_handle<> h) const { channel.putter_ = h; }
        void await_resume() const {
            channel.items_[channel.last_++ % channel.items_.size()] = item;
            if (channel.getter_) loop.push(std::exchange(channel.getter_, {}));
        }
    };
    struct Get {
        Channel& channel;
        bool await_ready() const { return channel.last_ != channel.first_; }
        void await_suspend(std::coroutine_handle<> h) const { channel.getter_ = h; }
        long await_resume() const {
            const long item = channel.items_[channel.first_++ % channel.items_.size()];
            if (channel.putter_) loop.push(std::exchange(channel.putter_, {}));
            return item;
        }
    };
    Put put(long item) { return Put{*this, item}; }
    Get get() { return Get{*this}; }

  private:
    std::vector<long> items_;
    std::size_t first_ = 0;
    std::size_t last_ = 0;
    std::coroutine_handle<> getter_;
    std::coroutine_handle<> putter_;
};
Detached produce(Channel& channel, long n) {
    for (long i = 0; i < n; ++i) co_await channel.put(i);
}
Detached consume(Channel& channel, long n, long* sum) {
    for (long i = 0; i < n; ++i) *sum += co_await channel.get();
}
Detached answer(Channel& there, Channel& back, long n) {
    for (long i = 0; i < n; ++i) {
        const long item = co_await there.get();
        co_await back.put(item);
    }
}
Detached ask(Channel& there, Channel& back, long n, long* sum) {
    for (long i = 0; i < n; ++i) {
        co_await there.put(i);
        *sum += co_await back.get();
    }
}
void measure_queue(long n, long size, bool pingpong) {
    Channel first(static_cast<std::size_t>(size));
    Channel second(static_cast<std::size_t>(size));
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    if (pingpong) {
        answer(first, second, n);
        ask(first, second, n, &sum);
    } else {
        produce(first, n);
        consume(first, n, &sum);
    }
    loop.run();
    const double ns = ns_each(begin, n);
    bench_prove(sum == n * (n - 1) / 2, "every item came through");
    bench_print("queue", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    const char* const job = bench_text(argc, argv, "job", "switch");
    const long n = bench_count(argc, argv, "n", 1'000'000);
    if (bench_is(job, "switch")) measure_switch(n);
    if (bench_is(job, "spawn")) measure_spawn(n);
    if (bench_is(job, "gather")) measure_gather(n, bench_count(argc, argv, "repeats", 10));
    if (bench_is(job, "await_depth")) measure_depth(n, bench_count(argc, argv, "depth", 100));
    if (bench_is(job, "generator")) measure_generator(n);
    if (bench_is(job, "exception")) measure_exception(n);
    if (bench_is(job, "sleepers")) measure_sleepers(n, bench_real(argc, argv, "seconds", 3));
    if (bench_is(job, "timers")) measure_timers(n, bench_real(argc, argv, "range_s", 1));
    if (bench_is(job, "timer_cancel")) {
        measure_timer_cancel(n, bench_is(bench_text(argc, argv, "clock", "cached"), "read"));
    }
    if (bench_is(job, "timeout")) measure_timeout(n);
    if (bench_is(job, "queue")) {
        measure_queue(n, bench_count(argc, argv, "size", 1),
                      bench_is(bench_text(argc, argv, "shape", "one"), "pingpong"));
    }
}
