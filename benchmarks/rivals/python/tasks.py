#!/usr/bin/env python3
"""asyncio and uvloop: the jobs inside a process. loop=asyncio|uvloop job=… n=…"""

import asyncio
import concurrent.futures
import random
import threading
import time

from common import ARGUMENTS, count, cpu, ns_each, peak, prove, real, resident, result


async def one():
    return 1


async def switch(n):
    async def turns(m):
        for _ in range(m):
            await asyncio.sleep(0)
        return m

    begin = time.perf_counter()
    done = sum(await asyncio.gather(turns(n // 2), turns(n // 2)))
    ns = ns_each(begin, n)
    prove(done == n // 2 * 2, "every switch was made")
    result("switch", ns, "ns")


async def spawn(n):
    total = 0
    begin = time.perf_counter()
    for _ in range(n):
        total += await asyncio.create_task(one())
    ns = ns_each(begin, n)
    prove(total == n, "every task gave its result")
    result("spawn", ns, "ns")


async def gather(n):
    async def number(i):
        return i

    async def once():
        results = await asyncio.gather(*[number(i) for i in range(n)])
        prove(sum(results) == n * (n - 1) // 2, "every result is there")

    repeats = count("repeats", 10)
    before = resident()
    begin = time.perf_counter()
    await once()
    cold = ns_each(begin, n)
    size = (peak() - before) / n
    begin = time.perf_counter()
    for _ in range(repeats):
        await once()
    result("gather", ns_each(begin, n * repeats), "ns", cold_ns=cold, bytes=size)


async def await_depth(n):
    async def deep(d):
        return 1 if d == 0 else 1 + await deep(d - 1)

    depth, total = count("depth", 100), 0
    begin = time.perf_counter()
    for _ in range(n):
        total += await deep(depth - 1)
    ns = ns_each(begin, n * depth)
    prove(total == n * depth, "every level was entered")
    result("await_depth", ns, "ns")


async def generator(n):
    async def numbers():
        for i in range(n):
            yield i

    total = 0
    begin = time.perf_counter()
    async for item in numbers():
        total += item
    ns = ns_each(begin, n)
    prove(total == n * (n - 1) // 2, "every item arrived")
    result("generator", ns, "ns")


async def exception(n):
    class Failure(Exception):
        pass

    async def failing(d):
        if d == 1:
            raise Failure
        await failing(d - 1)

    depth, caught = count("depth", 1), 0
    begin = time.perf_counter()
    for _ in range(n):
        try:
            await failing(depth)
        except Failure:
            caught += 1
    us = ns_each(begin, n) / 1000
    prove(caught == n, "every exception arrived")
    result("exception", us, "us")


async def cancel_collect(n):
    cancelled = 0
    if ARGUMENTS.get("case", "one") == "one":
        begin = time.perf_counter()
        for _ in range(n):
            task = asyncio.create_task(asyncio.sleep(3600))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            cancelled += task.cancelled()
        value, unit = ns_each(begin, n) / 1000, "us"
    else:
        tasks = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(n)]
        await asyncio.sleep(0)
        begin = time.perf_counter()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        value, unit = ns_each(begin, 1) * 1e-9, "s"
        cancelled = sum(task.cancelled() for task in tasks)
    prove(cancelled == n, "every task ended cancelled")
    result("cancel_collect", value, unit)


async def task_group(n):
    async def failing():
        await asyncio.sleep(0)
        raise ValueError

    failures, tasks = 0, []
    begin = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(3600)) for _ in range(n - 1)]
            group.create_task(failing())
    except ExceptionGroup as error:
        failures = len(error.exceptions)
    ns = ns_each(begin, n)
    prove(failures == 1 and all(task.cancelled() for task in tasks), "one failed, all others were cancelled")
    result("task_group", ns, "ns")


async def sleepers(n):
    seconds = real("seconds", 3)
    memory, used = resident(), cpu()
    begin = time.perf_counter()
    await asyncio.gather(*[asyncio.sleep(seconds) for _ in range(n)])
    late = ns_each(begin, 1) * 1e-6 - seconds * 1e3
    result("sleepers", (peak() - memory) / n, "B", cpu_s=cpu() - used, late_ms=late)


async def timers(n):
    range_s = real("range_s", 1)
    memory, used = resident(), cpu()
    await asyncio.gather(*[asyncio.sleep(random.random() * range_s) for _ in range(n)])
    result("timers", (cpu() - used) * 1e9 / n, "ns", bytes=(peak() - memory) / n)


async def timer_cancel(n):
    loop, fired, cancelled = asyncio.get_running_loop(), [], 0
    outstanding = [loop.call_later(3600 + random.random(), fired.append, 1) for _ in range(1000)]
    begin = time.perf_counter()
    for _ in range(n):
        handle = loop.call_later(7200.0, fired.append, 1)
        handle.cancel()
        cancelled += handle.cancelled()
    ns = ns_each(begin, n)
    for handle in outstanding:
        handle.cancel()
    prove(cancelled == n and not fired, "every timer was cancelled and none fired")
    result("timer_cancel", ns, "ns")


async def timeout(n):
    async def operation():
        await asyncio.sleep(0)
        return 1

    total = 0
    begin = time.perf_counter()
    for _ in range(n):
        async with asyncio.timeout(1.0):
            total += await operation()
    ns = ns_each(begin, n)
    prove(total == n, "every operation ended in time")
    result("timeout", ns, "ns")


async def post(n):
    producers = count("producers", 1)
    each, ran, loop = n // producers, 0, asyncio.get_running_loop()
    total, done, go = each * producers, asyncio.Event(), threading.Event()

    def call():
        nonlocal ran
        ran += 1
        if ran == total:
            done.set()

    def produce():
        go.wait()
        for _ in range(each):
            loop.call_soon_threadsafe(call)

    threads = [threading.Thread(target=produce) for _ in range(producers)]
    for thread in threads:
        thread.start()
    await asyncio.sleep(0.01)
    begin = time.perf_counter()
    go.set()
    await done.wait()
    ns = ns_each(begin, total)
    prove(ran == total, "every post ran")
    result("post", ns, "ns")


async def to_thread(n):
    value = await asyncio.to_thread(lambda v: v + 1, -1)
    begin = time.perf_counter()
    for _ in range(n):
        value = await asyncio.to_thread(lambda v: v + 1, value)
    us = ns_each(begin, n) / 1000
    prove(value == n, "every call was made")
    result("to_thread", us, "us")


async def run_in_executor(n):
    loop = asyncio.get_running_loop()
    in_flight = count("in_flight", 1)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        total = await loop.run_in_executor(executor, lambda v: v + 1, -1)
        begin = time.perf_counter()
        for first in range(0, n, in_flight):
            calls = [loop.run_in_executor(executor, lambda v: v + 1, i) for i in range(first, min(n, first + in_flight))]
            for call in calls:
                total += await call
        us = ns_each(begin, n) / 1000
    prove(total == n * (n + 1) // 2, "every call was made")
    result("run_in_executor", us, "us")


async def burst_memory(n):
    before = resident()
    await asyncio.gather(*[asyncio.sleep(0.2) for _ in range(n)])
    for _ in range(50):
        await asyncio.sleep(0.01)
    result("burst_memory", (resident() - before) / n, "B", peak_bytes=(peak() - before) / n)


async def queue(n):
    first, second = asyncio.Queue(count("size", 1)), asyncio.Queue(count("size", 1))

    async def produce():
        for i in range(n):
            await first.put(i)

    async def consume():
        total = 0
        for _ in range(n):
            total += await first.get()
        return total

    async def answer():
        for _ in range(n):
            await second.put(await first.get())

    async def ask():
        total = 0
        for i in range(n):
            await first.put(i)
            total += await second.get()
        return total

    pingpong = ARGUMENTS.get("shape") == "pingpong"
    begin = time.perf_counter()
    _, total = await asyncio.gather(*((answer(), ask()) if pingpong else (produce(), consume())))
    ns = ns_each(begin, n)
    prove(total == n * (n - 1) // 2, "every item came through")
    result("queue", ns, "ns")


async def lock(n):
    tasks = count("tasks", 1)
    the_lock = asyncio.Lock()
    held = 0

    async def holds():
        nonlocal held
        for _ in range(n // tasks):
            async with the_lock:
                held += 1
                if tasks != 1:
                    await asyncio.sleep(0)

    begin = time.perf_counter()
    await asyncio.gather(*[holds() for _ in range(tasks)])
    ns = ns_each(begin, n // tasks * tasks)
    prove(held == n // tasks * tasks, "it was held each time")
    result("lock", ns, "ns")


asyncio.run(globals()[ARGUMENTS["job"]](count("n", 100_000)))
