//! tokio, current_thread: the jobs inside a process. job=… n=…
use rivals::{count, cpu, ns_each, peak, print, prove, real, resident, text};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{spawn, yield_now, JoinHandle};

const IMPL: &str = "tokio";

async fn turns(n: usize) -> usize {
    for _ in 0..n {
        yield_now().await
    }
    n
}
async fn switch(n: usize) {
    let begin = Instant::now();
    let (a, b) = (spawn(turns(n / 2)), spawn(turns(n / 2)));
    let done = a.await.unwrap() + b.await.unwrap();
    let ns = ns_each(begin, n);
    prove(done == n / 2 * 2, "every switch was made");
    print("switch", IMPL, ns, "ns", &[]);
}

async fn spawn_each(n: usize) {
    let begin = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum += spawn(async { 1usize }).await.unwrap();
    }
    let ns = ns_each(begin, n);
    prove(sum == n, "every task gave its result");
    print("spawn", IMPL, ns, "ns", &[]);
}

async fn gather_once(n: usize) {
    let tasks: Vec<JoinHandle<usize>> = (0..n).map(|i| spawn(async move { i })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    prove(sum == n * (n - 1) / 2, "every result is there");
}
async fn gather(n: usize, repeats: usize) {
    let before = resident();
    let begin = Instant::now();
    gather_once(n).await;
    let cold = ns_each(begin, n);
    let bytes = (peak() - before) / n as f64;
    let begin = Instant::now();
    for _ in 0..repeats {
        gather_once(n).await;
    }
    print("gather", IMPL, ns_each(begin, n * repeats), "ns", &[("cold_ns", cold), ("bytes", bytes)]);
}

#[inline(never)]
fn deep(depth: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            1
        } else {
            1 + deep(depth - 1).await
        }
    })
}
async fn await_depth(n: usize, depth: usize) {
    let begin = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum += deep(depth - 1).await;
    }
    let ns = ns_each(begin, n * depth);
    prove(sum == n * depth, "every level was entered");
    print("await_depth", IMPL, ns, "ns", &[]);
}

async fn sleep_long() {
    tokio::time::sleep(Duration::from_secs(3600)).await
}
async fn cancel_one(n: usize) {
    let begin = Instant::now();
    let mut cancelled = 0;
    for _ in 0..n {
        let task = spawn(sleep_long());
        yield_now().await;
        task.abort();
        cancelled += task.await.is_err_and(|e| e.is_cancelled()) as usize;
    }
    let us = ns_each(begin, n) / 1000.0;
    prove(cancelled == n, "every task ended cancelled");
    print("cancel_collect", IMPL, us, "us", &[]);
}
async fn cancel_many(n: usize) {
    let tasks: Vec<_> = (0..n).map(|_| spawn(sleep_long())).collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let begin = Instant::now();
    for task in &tasks {
        task.abort();
    }
    let mut cancelled = 0;
    for task in tasks {
        cancelled += task.await.is_err_and(|e| e.is_cancelled()) as usize;
    }
    let seconds = begin.elapsed().as_secs_f64();
    prove(cancelled == n, "every task ended cancelled");
    print("cancel_collect", IMPL, seconds, "s", &[]);
}

async fn task_group(n: usize) {
    let begin = Instant::now();
    let mut group = tokio::task::JoinSet::new();
    for _ in 1..n {
        group.spawn(async {
            sleep_long().await;
            Ok::<(), &str>(())
        });
    }
    group.spawn(async {
        yield_now().await;
        Err("failed")
    });
    let (mut failed, mut cancelled) = (0, 0);
    while let Some(ended) = group.join_next().await {
        match ended {
            Ok(Err(_)) => {
                failed += 1;
                group.abort_all();
            }
            Err(error) if error.is_cancelled() => cancelled += 1,
            _ => {}
        }
    }
    let ns = ns_each(begin, n);
    prove(failed == 1 && cancelled == n - 1, "one failed, all others were cancelled");
    print("task_group", IMPL, ns, "ns", &[]);
}

async fn sleepers(n: usize, seconds: f64) {
    let (memory, used) = (resident(), cpu());
    let begin = Instant::now();
    let nap = Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = (0..n).map(|_| spawn(async move { tokio::time::sleep(nap).await })).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let late = begin.elapsed().as_secs_f64() * 1e3 - seconds * 1e3;
    prove(late >= 0.0, "nobody woke early");
    print("sleepers", IMPL, (peak() - memory) / n as f64, "B", &[("cpu_s", cpu() - used), ("late_ms", late)]);
}
async fn timers(n: usize, range_s: f64) {
    let (memory, used) = (resident(), cpu());
    let mut random: u64 = 88172645463325252;
    let tasks: Vec<_> = (0..n)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let nap = Duration::from_nanos(random % (range_s * 1e9) as u64);
            spawn(async move { tokio::time::sleep(nap).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    print("timers", IMPL, (cpu() - used) * 1e9 / n as f64, "ns", &[("bytes", (peak() - memory) / n as f64)]);
}

/// tokio has no timer without a future: a sleep that is polled once and dropped.
async fn timer_cancel(n: usize) {
    for _ in 0..1000 {
        spawn(sleep_long());
    }
    yield_now().await;
    let begin = Instant::now();
    let mut pending = 0;
    for _ in 0..n {
        let sleep = tokio::time::sleep(Duration::from_secs(7200));
        tokio::pin!(sleep);
        std::future::poll_fn(|context| {
            pending += sleep.as_mut().poll(context).is_pending() as usize;
            std::task::Poll::Ready(())
        })
        .await;
    }
    let ns = ns_each(begin, n);
    prove(pending == n, "every timer was cancelled");
    print("timer_cancel", IMPL, ns, "ns", &[]);
}
async fn timeout(n: usize) {
    let begin = Instant::now();
    let mut in_time = 0;
    for _ in 0..n {
        in_time += tokio::time::timeout(Duration::from_secs(1), yield_now()).await.is_ok() as usize;
    }
    let ns = ns_each(begin, n);
    prove(in_time == n, "every operation ended in time");
    print("timeout", IMPL, ns, "ns", &[]);
}

/// Functions sent over an unbounded channel to the runtime's thread.
async fn post(n: usize, producers: usize) {
    let each = n / producers;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<Box<dyn FnOnce() + Send>>();
    let go = Arc::new(AtomicBool::new(false));
    let ran = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..producers)
        .map(|_| {
            let (sender, go, ran) = (sender.clone(), go.clone(), ran.clone());
            std::thread::spawn(move || {
                while !go.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_micros(100));
                }
                for _ in 0..each {
                    let ran = ran.clone();
                    sender.send(Box::new(move || { ran.fetch_add(1, Ordering::Relaxed); })).ok().unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let begin = Instant::now();
    go.store(true, Ordering::Release);
    while let Some(call) = receiver.recv().await {
        call();
    }
    let ns = ns_each(begin, each * producers);
    for thread in threads {
        thread.join().unwrap();
    }
    prove(ran.load(Ordering::Relaxed) == each * producers, "every post ran");
    print("post", IMPL, ns, "ns", &[]);
}

async fn to_thread(n: usize) {
    let mut value = tokio::task::spawn_blocking(|| 0).await.unwrap();
    let begin = Instant::now();
    for _ in 0..n {
        value = tokio::task::spawn_blocking(move || value + 1).await.unwrap();
    }
    let us = ns_each(begin, n) / 1000.0;
    prove(value == n, "every call was made");
    print("to_thread", IMPL, us, "us", &[]);
}

async fn run_in_executor(n: usize, in_flight: usize) {
    let mut sum = tokio::task::spawn_blocking(|| 0).await.unwrap();
    let mut calls = Vec::with_capacity(in_flight);
    let begin = Instant::now();
    let mut i = 0;
    while i < n {
        for value in i..n.min(i + in_flight) {
            calls.push(tokio::task::spawn_blocking(move || value + 1));
        }
        i += calls.len();
        for call in calls.drain(..) {
            sum += call.await.unwrap();
        }
    }
    let us = ns_each(begin, n) / 1000.0;
    prove(sum == n * (n + 1) / 2, "every call was made");
    print("run_in_executor", IMPL, us, "us", &[]);
}

async fn burst_memory(n: usize) {
    let before = resident();
    let nap = Duration::from_millis(200);
    let tasks: Vec<_> = (0..n).map(|_| spawn(async move { tokio::time::sleep(nap).await })).collect();
    for task in tasks {
        task.await.unwrap();
    }
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kept = (resident() - before) / n as f64;
    print("burst_memory", IMPL, kept, "B", &[("peak_bytes", (peak() - before) / n as f64)]);
}

async fn queue(n: usize, size: usize, pingpong: bool) {
    let (first, mut from_first) = tokio::sync::mpsc::channel::<usize>(size);
    let (second, mut from_second) = tokio::sync::mpsc::channel::<usize>(size);
    let begin = Instant::now();
    let mut sum = 0;
    if pingpong {
        let other = spawn(async move {
            for _ in 0..n {
                let item = from_first.recv().await.unwrap();
                second.send(item).await.unwrap();
            }
        });
        for i in 0..n {
            first.send(i).await.unwrap();
            sum += from_second.recv().await.unwrap();
        }
        other.await.unwrap();
    } else {
        let other = spawn(async move {
            for i in 0..n {
                first.send(i).await.unwrap();
            }
        });
        for _ in 0..n {
            sum += from_first.recv().await.unwrap();
        }
        other.await.unwrap();
    }
    let ns = ns_each(begin, n);
    prove(sum == n * (n - 1) / 2, "every item came through");
    print("queue", IMPL, ns, "ns", &[]);
}

async fn lock(n: usize, tasks: usize) {
    let held = Arc::new(tokio::sync::Mutex::new(0usize));
    let each = n / tasks;
    let begin = Instant::now();
    let all: Vec<JoinHandle<()>> = (0..tasks)
        .map(|_| {
            let held = held.clone();
            spawn(async move {
                for _ in 0..each {
                    let mut guard = held.lock().await;
                    *guard += 1;
                    if tasks != 1 {
                        yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in all {
        task.await.unwrap();
    }
    let ns = ns_each(begin, each * tasks);
    prove(*held.lock().await == each * tasks, "it was held each time");
    print("lock", IMPL, ns, "ns", &[]);
}

async fn run() {
    let n = count("n", 1_000_000);
    match text("job", "switch").as_str() {
        "switch" => switch(n).await,
        "spawn" => spawn_each(n).await,
        "gather" => gather(n, count("repeats", 10)).await,
        "await_depth" => await_depth(n, count("depth", 100)).await,
        "cancel_collect" if text("case", "one") == "one" => cancel_one(n).await,
        "cancel_collect" => cancel_many(n).await,
        "task_group" => task_group(n).await,
        "sleepers" => sleepers(n, real("seconds", 3.0)).await,
        "timers" => timers(n, real("range_s", 1.0)).await,
        "timer_cancel" => timer_cancel(n).await,
        "timeout" => timeout(n).await,
        "post" => post(n, count("producers", 1)).await,
        "to_thread" => to_thread(n).await,
        "run_in_executor" => run_in_executor(n, count("in_flight", 1)).await,
        "burst_memory" => burst_memory(n).await,
        "queue" => queue(n, count("size", 1), text("shape", "one") == "pingpong").await,
        "lock" => lock(n, count("tasks", 1)).await,
        other => panic!("no job {other}"),
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { spawn(run()).await.unwrap() })
}
