"""The jobs: what is run with which arguments, by whom, and what is read from it.

To add a job: a program jobs/<job>.cpp, the same job in the rivals that can do it, a Case here, a mark in marks.toml.
"""

from dataclasses import dataclass, field

# The name of a number in a program's JSON, what tables call it, its unit, and whether less or more of it is better.
LESS, MORE = "less", "more"


@dataclass(frozen=True)
class Metric:
    name: str
    label: str
    unit: str
    better: str = LESS


@dataclass
class Case:
    job: str
    name: str  # "" if the job has only one
    title: str
    metrics: list
    who: list  # contestants besides this library; `floor` is one of them
    kind: str = "process"  # process, echo, idle, http_server, client, loops
    args: dict = field(default_factory=dict)
    slow: dict = field(default_factory=dict)  # instead of args, for Python
    brief: dict = field(default_factory=dict)  # instead of args, to see that it works
    cores: str = "0"
    ours: tuple = ("ours",)
    note: str = ""
    fifo: bool = True  # whether it may run under the FIFO policy, for which the kernel knows no timer slack

    @property
    def key(self):
        return f"{self.job}/{self.name}" if self.name else self.job


NS = Metric("value", "time", "ns")
US = Metric("value", "time", "us")
PYTHON = ["asyncio", "uvloop"]
TASKS = ["floor", "asio", "tokio", "go", *PYTHON]
SOCKETS = ("ours", "ours-io_uring")


def process(job, name, title, metrics, who, n, slow=None, brief=None, **more):
    """A program that measures itself; n operations, fewer for Python and to see that it works."""
    extra = more.pop("args", {})
    brief_extra = extra | ({"seconds": 0.05} if "seconds" in extra else {})
    return Case(
        job, name, title, metrics, who, args={"n": n} | extra, slow={"n": slow or n // 20} | extra,
        brief={"n": brief or max(n // 10_000, 100)} | brief_extra, **more,
    )  # fmt: skip


def echo(connections, size):
    buffer = max(4096, size)
    size_name = f"{size} B" if size < 1024 else f"{size // 1024} KiB"
    return Case(
        "echo", f"{connections}x{size}", f"TCP echo, {connections} x {size_name}",
        [Metric("value", "messages", "msg/s", MORE), Metric("cpu_us", "server CPU a message", "us"),
         Metric("user_us", "of it user", "us"), Metric("p50_us", "p50", "us"), Metric("p99_us", "p99", "us"),
         Metric("syscalls", "system calls a message", "")],
        ["floor", "asio", "libuv", "tokio", "go", "uvloop-protocol", "uvloop", "asyncio"], kind="echo",
        args={"connections": connections, "size": size, "buffer": buffer, "seconds": 1},
        brief={"connections": min(connections, 100), "size": size, "buffer": buffer, "seconds": 0.05},
        ours=("ours", "ours-into", "ours-io_uring"),
        note="Server on core 0, a C client on core 1. `into` reads into the handler's own buffer, the others get a string.",
    )  # fmt: skip


def tls(what, title, metric, count, slow, brief):
    return Case(
        "tls", what, title, [metric], ["floor", "go", *PYTHON], args={"what": what, "count": count},
        slow={"what": what, "count": slow}, brief={"what": what, "count": brief}, ours=SOCKETS,
        note="Both ends in one process and thread, over loopback, TLS 1.3, a P-256 certificate, which the client verifies with its "
        "name; so nginx and other servers alone are left out. AES-256 everywhere but in Go, which prefers AES-128.",
    )  # fmt: skip


CLIENT_METRICS = [Metric("value", "wall", "s"), Metric("cpu_s", "CPU", "s"), Metric("peak_mib", "peak memory", "MiB")]
CLIENTS = ["floor", "hyper", "curl", "go", "aiohttp-uvloop", "aiohttp"]
LOOP_METRICS = [Metric("cpu_us", "server CPU an operation", "us"), Metric("value", "operations", "op/s", MORE)]

CASES = [
    process("switch", "", "switch: two tasks yield in turn", [NS], TASKS, 10_000_000),
    process("spawn", "", "create a task and await it", [NS], TASKS, 2_000_000),
    process("gather", "", "gather of 100,000 coroutines with results, per task",
            [Metric("value", "warm", "ns"), Metric("cold_ns", "cold", "ns"), Metric("bytes", "peak memory a task", "B")],
            TASKS, 100_000, slow=100_000, brief=1000),
    process("await_depth", "", "await chain 100 deep, per call", [NS], TASKS, 200_000, brief=100),
    process("generator", "", "an item of an async generator that is ready", [NS], ["floor", *PYTHON], 10_000_000),
    process("exception", "1", "an exception through 1 await", [US], ["floor", "asio", *PYTHON], 100_000, args={"depth": 1}),
    process("exception", "10", "an exception through 10 awaits", [US], ["floor", "asio", *PYTHON], 20_000, args={"depth": 10}),
    process("cancel_collect", "one", "start, cancel and collect one sleeping task", [US], ["asio", "tokio", "go", *PYTHON],
            200_000, args={"case": "one"}),
    process("cancel_collect", "many", "cancel and collect 100,000 sleeping tasks", [Metric("value", "time", "s")],
            ["asio", "tokio", "go", *PYTHON], 100_000, slow=100_000, brief=1000, args={"case": "many"}),
    process("sleepers", "", "1,000,000 sleepers (100,000 in Python)",
            [Metric("value", "peak memory a task", "B"), Metric("cpu_s", "CPU", "s"), Metric("late_ms", "late", "ms")],
            ["floor", "libuv", *TASKS[1:]], 1_000_000, slow=100_000, brief=1000, args={"seconds": 3}),
    process("timers", "together", "1,000,000 timers, all due within 50 ms, per timer",
            [Metric("value", "CPU", "ns"), Metric("bytes", "peak memory a timer", "B")], ["floor", "libuv", *TASKS[1:]],
            1_000_000, slow=100_000, brief=1000, args={"range_s": 0.05}, fifo=False),
    process("timers", "spread", "1,000,000 timers spread over 1 s, per timer",
            [Metric("value", "CPU", "ns"), Metric("bytes", "peak memory a timer", "B")], ["floor", "libuv", *TASKS[1:]],
            1_000_000, slow=100_000, brief=1000, args={"range_s": 1}, ours=("ours", "ours-slack_1ms"), fifo=False),
    process("timer_cancel", "cached", "timer armed and cancelled, cached time", [NS], ["floor", "libuv", *TASKS[1:]],
            5_000_000, args={"clock": "cached"}),
    process("timer_cancel", "read", "timer armed and cancelled, the clock read", [NS], ["floor", "asio", "tokio", "go", *PYTHON],
            5_000_000, args={"clock": "read"}),
    process("timeout", "with", "with(timeout(1s)) around an operation that yields once", [NS], TASKS, 1_000_000,
            args={"scope": "with", "operation": "yield"}),
    process("timeout", "with_ready", "with(timeout(1s)) around an operation that is ready", [NS], [], 1_000_000,
            args={"scope": "with", "operation": "ready"}),
    process("timeout", "wait_for", "wait_for(..., 1s) around an operation that yields once", [NS], [], 1_000_000,
            args={"scope": "wait_for", "operation": "yield"}),
    process("timeout", "wait_for_ready", "wait_for(..., 1s) around an operation that is ready", [NS], [], 1_000_000,
            args={"scope": "wait_for", "operation": "ready"}),
    process("task_group", "", "100,000 tasks in one TaskGroup, one fails, per task", [NS],
            ["asio", "tokio", "go", *PYTHON], 100_000, slow=100_000, brief=1000),
    process("post", "1", "call_soon_threadsafe from 1 thread, per call", [NS], ["asio", "tokio", "go", *PYTHON],
            1_000_000, cores="0,1", args={"producers": 1}),
    process("post", "8", "call_soon_threadsafe from 8 threads, per call", [NS], ["asio", "tokio", "go", *PYTHON],
            1_000_000, cores="0,1", args={"producers": 8}),
    process("to_thread", "", "to_thread, a round trip", [US], ["asio", "libuv", "tokio", *PYTHON], 20_000, slow=5_000,
            cores="0,1"),
    process("run_in_executor", "1", "run_in_executor, a round trip", [US], ["tokio", *PYTHON], 20_000, slow=5_000, cores="0,1",
            args={"in_flight": 1}),
    process("run_in_executor", "64", "run_in_executor, 64 calls at a time, per call", [US], ["tokio", *PYTHON], 200_000,
            slow=20_000, cores="0,1", args={"in_flight": 64}),
    process("queue", "1", "a queue of 1, per item", [NS], TASKS, 10_000_000, slow=200_000, args={"size": 1}),
    process("queue", "1024", "a queue of 1024, per item", [NS], TASKS, 20_000_000, slow=1_000_000, args={"size": 1024}),
    process("queue", "pingpong", "two queues of 1, a round trip", [NS], TASKS, 5_000_000, slow=200_000,
            args={"size": 1, "shape": "pingpong"}),
    process("lock", "free", "a lock that is free, acquire and release", [NS], ["tokio", "go", *PYTHON], 20_000_000,
            slow=1_000_000, args={"tasks": 1}),
    process("lock", "turns", "a lock that four tasks hold in turn, over a yield", [NS], ["tokio", "go", *PYTHON], 5_000_000,
            slow=200_000, args={"tasks": 4}),
    process("burst_memory", "", "memory half a second after a burst of 1,000,000 tasks (100,000 in Python)",
            [Metric("value", "kept a task", "B"), Metric("peak_bytes", "peak a task", "B")], ["libuv", "asio", "tokio", "go", *PYTHON],
            1_000_000, slow=100_000, brief=1000),
    process("file_read", "", "10,000 reads of 4 KiB, 64 under way, per read", [NS], ["floor", "aiofiles"], 10_000, slow=2_000,
            cores="0,1", ours=SOCKETS, note="The file is in the page cache. The floor is liburing in C."),
    process("small_files", "", "1,000 files of 1 KiB opened, read and closed, 64 at once, per file", [US], ["aiofiles"], 1_000,
            slow=1_000, cores="0,1", ours=SOCKETS),
    Case("first_request", "", "first request of a process", [Metric("process_ms", "whole process", "ms")],
         ["floor", "hyper", "curl", "go", "aiohttp-uvloop"], kind="client",
         args={"total": 1, "connections": 1}, brief={"total": 1, "connections": 1}, cores="1", ours=SOCKETS),
    echo(1, 64),
    echo(100, 64),
    echo(1000, 64),
    echo(100, 16384),
    Case("echo", "idle", "TCP echo, memory of an idle connection", [Metric("value", "resident memory a connection", "B")],
         ["floor", "asio", "libuv", "tokio", "go", "uvloop-protocol", "uvloop", "asyncio"], kind="idle",
         args={"connections": 5000, "buffer": 4096}, brief={"connections": 200, "buffer": 4096},
         ours=("ours", "ours-into", "ours-io_uring"),
         note="5000 connections, each of which has echoed 64 bytes and is silent now. User memory alone."),
    Case("http_server", "", "HTTP plaintext, 64 connections",
         [Metric("value", "requests", "req/s", MORE), Metric("cpu_us", "server CPU a request", "us"),
          Metric("user_us", "of it user", "us")],
         ["floor", "beast", "hyper", "nginx", "go", "aiohttp-uvloop"], kind="http_server",
         args={"connections": 64, "seconds": 2}, brief={"connections": 64, "seconds": 0.05}, ours=SOCKETS,
         note="Server on core 0; wrk with one thread (or the C client, if wrk is missing) on core 1."),
    Case("http_client", "gets", "10,000 GETs over 100 connections", CLIENT_METRICS, CLIENTS, kind="client",
         args={"total": 10_000, "connections": 100}, slow={"total": 10_000, "connections": 100},
         brief={"total": 200, "connections": 20}, cores="1", ours=SOCKETS, note="nginx (or the C server) on core 0, the client on core 1."),
    Case("http_client", "urls", "1,000 URLs of one second each, at once", CLIENT_METRICS, CLIENTS, kind="client",
         args={"total": 1000, "connections": 1000, "delay": 1}, brief={"total": 50, "connections": 50, "delay": 0.1},
         cores="1", ours=SOCKETS, note="The C server on core 0, the client on core 1."),
    tls("handshake", "TLS, full handshakes, one after another", Metric("value", "handshakes", "1/s", MORE), 1500, 500, 20),
    tls("resume", "TLS, resumed handshakes, one after another", Metric("value", "handshakes", "1/s", MORE), 2500, 500, 20),
    tls("stream", "TLS, bytes through one connection", Metric("value", "throughput", "MB/s", MORE), 1000, 500, 10),
    tls("idle", "TLS, memory of an idle connection", Metric("value", "resident memory of both ends", "B"), 1500, 500, 40),
    Case("two_loops", "echo", "echo with two loops against one, 100 x 64 B", LOOP_METRICS, [], kind="loops",
         args={"connections": 100, "size": 64, "seconds": 1, "protocol": "echo"},
         brief={"connections": 20, "size": 64, "seconds": 0.05, "protocol": "echo"}, cores="0,1", ours=("ours", "ours-one_loop"),
         note="Two cores hold both the server and its load, so what counts is the CPU of an operation, which must not grow."),
    Case("two_loops", "http", "HTTP with two loops against one, 64 connections", LOOP_METRICS, [], kind="loops",
         args={"connections": 64, "seconds": 1, "protocol": "http"}, brief={"connections": 20, "seconds": 0.05, "protocol": "http"},
         cores="0,1", ours=("ours", "ours-one_loop"), note="As above."),
]  # fmt: skip


def select(names):
    """The cases of jobs or cases by name; all for an empty list. Throws KeyError for a name that is none."""
    if not names:
        return CASES
    chosen = [case for case in CASES if case.job in names or case.key in names]
    missing = set(names) - {case.job for case in chosen} - {case.key for case in chosen}
    if missing:
        known = ", ".join(dict.fromkeys(case.job for case in CASES))
        raise KeyError(f"no job {', '.join(sorted(missing))}; there are {known}")
    return chosen
