// libuv: the jobs inside a process that it has. It has callbacks and no tasks, so sleepers, timers and burst_memory
// are bare timers here. job=sleepers|timers|timer_cancel|to_thread|burst_memory n=…
#include <uv.h>

#include "common/bench.h"

static const char* const impl = "libuv";
static uv_loop_t* loop;
static long ended;
static long repeats_left;
static uint64_t began;

static void fire(uv_timer_t* timer) {
    ++ended;
    uv_close((uv_handle_t*)timer, (uv_close_cb)free);
}
static void start_timer(uint64_t ms) {
    uv_timer_t* const timer = malloc(sizeof *timer);
    uv_timer_init(loop, timer);
    uv_timer_start(timer, fire, ms, 0);
}
static void measure_sleepers(long n, double seconds) {
    const double memory = bench_resident();
    const double cpu = bench_cpu_s();
    uv_update_time(loop);
    for (long i = 0; i < n; ++i) start_timer((uint64_t)(seconds * 1000));
    uv_run(loop, UV_RUN_DEFAULT);
    const double late_ms = (double)(bench_now_ns() - began) * 1e-6 - seconds * 1e3;
    bench_prove(ended == n, "every timer fired");
    bench_print("sleepers", impl, (bench_peak() - memory) / (double)n, "B", "cpu_s", bench_cpu_s() - cpu, "late_ms", late_ms,
                (const char*)NULL);
}
static void measure_timers(long n, double range_s) {
    uint64_t random = 88172645463325252u;
    const double memory = bench_resident();
    const double cpu = bench_cpu_s();
    for (long i = 0; i < n; ++i) start_timer(bench_random(&random) % (uint64_t)(range_s * 1000));
    uv_run(loop, UV_RUN_DEFAULT);
    bench_prove(ended == n, "every timer fired");
    bench_print("timers", impl, (bench_cpu_s() - cpu) * 1e9 / (double)n, "ns", "bytes", (bench_peak() - memory) / (double)n,
                (const char*)NULL);
}
static void measure_timer_cancel(long n) {
    uint64_t random = 1;
    for (int i = 0; i < 1000; ++i) start_timer(3600000 + bench_random(&random) % 1000);
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    began = bench_now_ns();
    for (long i = 0; i < n; ++i) {
        uv_timer_start(&timer, fire, 7200000, 0);
        uv_timer_stop(&timer);
    }
    const double ns = (double)(bench_now_ns() - began) / (double)n;
    uv_run(loop, UV_RUN_NOWAIT);
    bench_prove(ended == 0 && !uv_is_active((uv_handle_t*)&timer), "every timer was cancelled");
    bench_print("timer_cancel", impl, ns, "ns", (const char*)NULL);
}

static void work(uv_work_t* request) { ++*(long*)request->data; }
static void work_done(uv_work_t* request, int status) {
    (void)status;
    if (--repeats_left > 0) uv_queue_work(loop, request, work, work_done);
}
static void measure_to_thread(long n) {
    long value = 0;
    uv_work_t request = {.data = &value};
    repeats_left = 1;
    uv_queue_work(loop, &request, work, work_done);
    uv_run(loop, UV_RUN_DEFAULT);
    began = bench_now_ns();
    repeats_left = n;
    uv_queue_work(loop, &request, work, work_done);
    uv_run(loop, UV_RUN_DEFAULT);
    const double us = (double)(bench_now_ns() - began) / 1000 / (double)n;
    bench_prove(value == n + 1, "every call was made");
    bench_print("to_thread", impl, us, "us", (const char*)NULL);
}
static void measure_burst(long n) {
    const double before = bench_resident();
    for (long i = 0; i < n; ++i) start_timer(200);
    uv_run(loop, UV_RUN_DEFAULT);
    bench_prove(ended == n, "every timer fired");
    for (int i = 0; i < 50; ++i) {
        start_timer(10);
        uv_run(loop, UV_RUN_DEFAULT);
    }
    bench_print("burst_memory", impl, (bench_resident() - before) / (double)n, "B", "peak_bytes", (bench_peak() - before) / (double)n,
                (const char*)NULL);
}

int main(int argc, char** argv) {
    const char* const job = bench_text(argc, argv, "job", "sleepers");
    const long n = bench_count(argc, argv, "n", 1000000);
    loop = uv_default_loop();
    began = bench_now_ns();
    if (bench_is(job, "sleepers")) measure_sleepers(n, bench_real(argc, argv, "seconds", 3));
    if (bench_is(job, "timers")) measure_timers(n, bench_real(argc, argv, "range_s", 1));
    if (bench_is(job, "timer_cancel")) measure_timer_cancel(n);
    if (bench_is(job, "to_thread")) measure_to_thread(n);
    if (bench_is(job, "burst_memory")) measure_burst(n);
}
