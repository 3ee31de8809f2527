// asio's C++20 coroutines: the jobs inside a process. job=… n=…   io_context(1) is the hint that one thread
// runs it.
#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/channel.hpp>
#include <thread>
#include <vector>

#include "common/bench.h"

namespace {

using asio::awaitable;
using asio::co_spawn;
using asio::detached;
using asio::use_awaitable;
using namespace std::chrono_literals;

constexpr const char* impl = "asio";
asio::io_context context(1);

double ns_each(std::uint64_t begin, long count) {
    return static_cast<double>(bench_now_ns() - begin) / static_cast<double>(count);
}

awaitable<void> turns(long n, long* done) {
    for (long i = 0; i < n; ++i) co_await asio::post(context, use_awaitable);
    *done += n;
}
void measure_switch(long n) {
    long done = 0;
    co_spawn(context, turns(n / 2, &done), detached);
    co_spawn(context, turns(n / 2, &done), detached);
    const std::uint64_t begin = bench_now_ns();
    context.run();
    const double ns = ns_each(begin, n);
    bench_prove(done == n / 2 * 2, "every switch was made");
    bench_print("switch", impl, ns, "ns", nullptr);
}

awaitable<long> number(long i) { co_return i; }
awaitable<void> spawn_all(long n, long* sum) {
    for (long i = 0; i < n; ++i) *sum += co_await co_spawn(context, number(1), use_awaitable);
}
void measure_spawn(long n) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    co_spawn(context, spawn_all(n, &sum), detached);
    context.run();
    const double ns = ns_each(begin, n);
    bench_prove(sum == n, "every task gave its result");
    bench_print("spawn", impl, ns, "ns", nullptr);
}

void gather_once(long n) {
    std::vector<long> results(static_cast<std::size_t>(n));
    for (long i = 0; i < n; ++i) {
        long* const result = &results[static_cast<std::size_t>(i)];
        co_spawn(context, number(i), [result](std::exception_ptr, long value) { *result = value; });
    }
    context.run();
    context.restart();
    long sum = 0;
    for (const long result : results) sum += result;
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

[[gnu::noinline]] awaitable<long> deep(long depth) {
    if (depth == 0) co_return 1;
    co_return 1 + co_await deep(depth - 1);
}
awaitable<void> call_deep(long n, long depth, long* sum) {
    for (long i = 0; i < n; ++i) *sum += co_await deep(depth - 1);
}
void measure_depth(long n, long depth) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    co_spawn(context, call_deep(n, depth, &sum), detached);
    context.run();
    const double ns = ns_each(begin, n * depth);
    bench_prove(sum == n * depth, "every level was entered");
    bench_print("await_depth", impl, ns, "ns", nullptr);
}

struct Failure : std::exception {};
[[gnu::noinline]] awaitable<long> failing(long depth) {
    if (depth == 1) throw Failure();
    co_return co_await failing(depth - 1);
}
awaitable<void> fail_all(long n, long depth, long* caught) {
    for (long i = 0; i < n; ++i) {
        try {
            *caught += co_await failing(depth);
        } catch (const Failure&) {
            ++*caught;
        }
    }
}
void measure_exception(long n, long depth) {
    long caught = 0;
    const std::uint64_t begin = bench_now_ns();
    co_spawn(context, fail_all(n, depth, &caught), detached);
    context.run();
    const double us = ns_each(begin, n) / 1000;
    bench_prove(caught == n, "every exception arrived");
    bench_print("exception", impl, us, "us", nullptr);
}

awaitable<void> sleeper(std::chrono::nanoseconds nap, long* ended) {
    asio::steady_timer timer(context, nap);
    co_await timer.async_wait(use_awaitable);
    ++*ended;
}
awaitable<void> sleep_until_cancelled() {
    asio::steady_timer timer(context, 1h);
    co_await timer.async_wait(use_awaitable);
}

// A cancellation signal for each task, as asio's documentation has it; the completion tells how the task
// ended.
struct Cancellable {
    asio::cancellation_signal signal;
    void start(long* cancelled) {
        co_spawn(context, sleep_until_cancelled(),
                 asio::bind_cancellation_slot(signal.slot(), [cancelled](std::exception_ptr error) {
                     if (error) ++*cancelled;
                 }));
    }
};
void measure_cancel_one(long n) {
    long cancelled = 0;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) {
        Cancellable task;
        task.start(&cancelled);
        context.poll();
        task.signal.emit(asio::cancellation_type::terminal);
        context.run();
        context.restart();
    }
    const double us = ns_each(begin, n) / 1000;
    bench_prove(cancelled == n, "every task ended cancelled");
    bench_print("cancel_collect", impl, us, "us", nullptr);
}
void measure_cancel_many(long n) {
    long cancelled = 0;
    std::vector<Cancellable> tasks(static_cast<std::size_t>(n));
    for (Cancellable& task : tasks) task.start(&cancelled);
    context.poll();
    const std::uint64_t begin = bench_now_ns();
    for (Cancellable& task : tasks) task.signal.emit(asio::cancellation_type::terminal);
    context.run();
    const double seconds = ns_each(begin, 1) * 1e-9;
    bench_prove(cancelled == n, "every task ended cancelled");
    bench_print("cancel_collect", impl, seconds, "s", nullptr);
}

// asio has no task group: one task fails, its completion cancels the others.
void measure_task_group(long n) {
    long cancelled = 0;
    long failed = 0;
    const std::uint64_t begin = bench_now_ns();
    std::vector<Cancellable> tasks(static_cast<std::size_t>(n - 1));
    for (Cancellable& task : tasks) task.start(&cancelled);
    const auto fail = []() -> awaitable<void> {
        co_await asio::post(context, use_awaitable);
        throw Failure();
    };
    co_spawn(context, fail(), [&](std::exception_ptr error) {
        if (error) ++failed;
        for (Cancellable& task : tasks) task.signal.emit(asio::cancellation_type::terminal);
    });
    context.run();
    const double ns = ns_each(begin, n);
    bench_prove(cancelled == n - 1 && failed == 1, "one failed, all others were cancelled");
    bench_print("task_group", impl, ns, "ns", nullptr);
}

void measure_sleepers(long n, double seconds) {
    long ended = 0;
    const double memory_before = bench_resident();
    const double cpu_before = bench_cpu_s();
    const std::uint64_t begin = bench_now_ns();
    const std::chrono::nanoseconds nap(static_cast<std::int64_t>(seconds * 1e9));
    for (long i = 0; i < n; ++i) co_spawn(context, sleeper(nap, &ended), detached);
    context.run();
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
        const auto ns = bench_random(&random) % static_cast<std::uint64_t>(range_s * 1e9);
        co_spawn(context, sleeper(std::chrono::nanoseconds(ns), &ended), detached);
    }
    context.run();
    bench_prove(ended == n, "all have slept");
    bench_print("timers", impl, (bench_cpu_s() - cpu_before) * 1e9 / static_cast<double>(n), "ns", "bytes",
                (bench_peak() - memory_before) / static_cast<double>(n), nullptr);
}
void measure_timer_cancel(long n) {
    asio::steady_timer timer(context);
    long cancelled = 0;
    long dropped = 0;
    std::vector<asio::steady_timer> outstanding;
    std::uint64_t random = 1;
    for (int i = 0; i < 1000; ++i) {
        outstanding.emplace_back(context,
                                 1h + std::chrono::nanoseconds(bench_random(&random) % 1'000'000'000));
        outstanding.back().async_wait([&dropped](asio::error_code) { ++dropped; });
    }
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) {
        timer.expires_after(2h);
        timer.async_wait([&cancelled](asio::error_code error) { cancelled += error ? 1 : 0; });
        timer.cancel();
        if (i % 64 == 63) {
            context.poll();
            context.restart();
        }
    }
    context.poll();
    const double ns = ns_each(begin, n);
    outstanding.clear();
    context.restart();
    context.run();
    bench_prove(cancelled == n && dropped == 1000, "every timer was cancelled and none fired");
    bench_print("timer_cancel", impl, ns, "ns", nullptr);
}

awaitable<long> yielding() {
    co_await asio::post(context, use_awaitable);
    co_return 1;
}
awaitable<void> limit_all(long n, long* in_time) {
    using namespace asio::experimental::awaitable_operators;
    for (long i = 0; i < n; ++i) {
        asio::steady_timer limit(context, 1s);
        const auto first = co_await (yielding() || limit.async_wait(use_awaitable));
        if (first.index() == 0) ++*in_time;
    }
}
void measure_timeout(long n) {
    long in_time = 0;
    const std::uint64_t begin = bench_now_ns();
    co_spawn(context, limit_all(n, &in_time), detached);
    context.run();
    const double ns = ns_each(begin, n);
    bench_prove(in_time == n, "every operation ended in time");
    bench_print("timeout", impl, ns, "ns", nullptr);
}

void measure_post(long n, long producers) {
    const long each = n / producers;
    long ran = 0;
    std::atomic<bool> go = false;
    auto work = asio::make_work_guard(context);
    std::vector<std::jthread> threads;
    const auto count = [&ran, &work, total = each * producers] {
        if (++ran == total) work.reset();
    };
    for (long i = 0; i < producers; ++i) {
        threads.emplace_back([&] {
            go.wait(false);
            for (long k = 0; k < each; ++k) asio::post(context, count);
        });
    }
    std::this_thread::sleep_for(10ms);  // all stand at the line
    const std::uint64_t begin = bench_now_ns();
    go = true;
    go.notify_all();
    context.run();
    const double ns = ns_each(begin, each * producers);
    bench_prove(ran == each * producers, "every post ran");
    bench_print("post", impl, ns, "ns", nullptr);
}

awaitable<long> in_thread(asio::thread_pool* pool, long value) {
    co_await asio::post(*pool, use_awaitable);
    const long result = value + 1;
    co_await asio::post(context, use_awaitable);
    co_return result;
}
awaitable<void> thread_all(asio::thread_pool* pool, long n, double* us) {
    long value = co_await in_thread(pool, -1);
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) value = co_await in_thread(pool, value);
    *us = ns_each(begin, n) / 1000;
    bench_prove(value == n, "every call was made");
}
void measure_to_thread(long n) {
    double us = 0;
    asio::thread_pool pool(1);
    auto work = asio::make_work_guard(context);
    co_spawn(context, thread_all(&pool, n, &us), [&](std::exception_ptr) { work.reset(); });
    context.run();
    bench_print("to_thread", impl, us, "us", nullptr);
}

void measure_burst(long n) {
    long ended = 0;
    const double before = bench_resident();
    for (long i = 0; i < n; ++i) co_spawn(context, sleeper(200ms, &ended), detached);
    context.run();
    bench_prove(ended == n, "every task ended");
    for (int i = 0; i < 50; ++i) {
        context.restart();
        co_spawn(context, sleeper(10ms, &ended), detached);
        context.run();
    }
    const double tasks = static_cast<double>(n);
    const double kept = (bench_resident() - before) / tasks;
    bench_print("burst_memory", impl, kept, "B", "peak_bytes", (bench_peak() - before) / tasks, nullptr);
}

using Channel = asio::experimental::channel<void(asio::error_code, long)>;

awaitable<void> produce(Channel& channel, long n) {
    for (long i = 0; i < n; ++i) co_await channel.async_send(asio::error_code{}, i, use_awaitable);
}
awaitable<void> consume(Channel& channel, long n, long* sum) {
    for (long i = 0; i < n; ++i) *sum += co_await channel.async_receive(use_awaitable);
}
awaitable<void> answer(Channel& there, Channel& back, long n) {
    for (long i = 0; i < n; ++i) {
        const long item = co_await there.async_receive(use_awaitable);
        co_await back.async_send(asio::error_code{}, item, use_awaitable);
    }
}
awaitable<void> ask(Channel& there, Channel& back, long n, long* sum) {
    for (long i = 0; i < n; ++i) {
        co_await there.async_send(asio::error_code{}, i, use_awaitable);
        *sum += co_await back.async_receive(use_awaitable);
    }
}
void measure_queue(long n, long size, bool pingpong) {
    Channel first(context, static_cast<std::size_t>(size));
    Channel second(context, static_cast<std::size_t>(size));
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    co_spawn(context, pingpong ? answer(first, second, n) : produce(first, n), detached);
    co_spawn(context, pingpong ? ask(first, second, n, &sum) : consume(first, n, &sum), detached);
    context.run();
    const double ns = ns_each(begin, n);
    bench_prove(sum == n * (n - 1) / 2, "every item came through");
    bench_print("queue", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    const char* const job = bench_text(argc, argv, "job", "switch");
    const long n = bench_count(argc, argv, "n", 1'000'000);
    const long depth = bench_count(argc, argv, "depth", 100);
    if (bench_is(job, "switch")) measure_switch(n);
    if (bench_is(job, "spawn")) measure_spawn(n);
    if (bench_is(job, "gather")) measure_gather(n, bench_count(argc, argv, "repeats", 10));
    if (bench_is(job, "await_depth")) measure_depth(n, depth);
    if (bench_is(job, "exception")) measure_exception(n, depth);
    if (bench_is(job, "cancel_collect")) {
        bench_is(bench_text(argc, argv, "case", "one"), "one") ? measure_cancel_one(n)
                                                               : measure_cancel_many(n);
    }
    if (bench_is(job, "task_group")) measure_task_group(n);
    if (bench_is(job, "sleepers")) measure_sleepers(n, bench_real(argc, argv, "seconds", 3));
    if (bench_is(job, "timers")) measure_timers(n, bench_real(argc, argv, "range_s", 1));
    if (bench_is(job, "timer_cancel")) measure_timer_cancel(n);
    if (bench_is(job, "timeout")) measure_timeout(n);
    if (bench_is(job, "post")) measure_post(n, bench_count(argc, argv, "producers", 1));
    if (bench_is(job, "to_thread")) measure_to_thread(n);
    if (bench_is(job, "burst_memory")) measure_burst(n);
    if (bench_is(job, "queue")) {
        measure_queue(n, bench_count(argc, argv, "size", 1),
                      bench_is(bench_text(argc, argv, "shape", "one"), "pingpong"));
    }
}
