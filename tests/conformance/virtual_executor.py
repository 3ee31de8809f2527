"""Executors without threads: a call is over at once, or when nothing else can happen.

When a thread's answer arrives is nobody's business, so a program may not depend on it: record.py runs each program with
executors that answer as early as they can, and again with ones that answer as late as they can, and keeps it if the
traces agree. What is between asyncio and a thread is Python's own: `run_in_executor`, `concurrent.futures.Future`,
`wrap_future`.
"""

import concurrent.futures


class Call:
    """A function that gives or throws its number; a held one waits for the gate."""

    def __init__(self, what, value):
        self.what = what
        self.value = value

    def __call__(self):
        if self.what == "fail":
            raise ValueError(self.value)
        return self.value


class VirtualExecutor(concurrent.futures.Executor):
    """So many workers, none of them a thread."""

    def __init__(self, all_executors, workers):
        self._all = all_executors
        self._workers = workers
        self._running = []
        self._queue = []
        self._closed = False

    def submit(self, call):
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = concurrent.futures.Future()
        self._queue.append((future, call))
        self.fill()
        return future

    @property
    def holds(self):
        return bool(self._running)

    def fill(self):
        while self._queue and len(self._running) < self._workers:
            future, call = self._queue.pop(0)
            if future.set_running_or_notify_cancel():
                self._running.append((future, call))

    def finish_one(self):
        """The first call that need not wait ends. False: there is none."""
        for each in self._running:
            future, call = each
            if call.what == "hold" and not self._all.gate_is_open:
                continue
            self._running.remove(each)
            self.fill()
            try:
                value = call()
            except ValueError as error:
                future.set_exception(error)
            else:
                future.set_result(value)
            return True
        return False

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._closed = True
        while cancel_futures and self._queue:
            future, _ = self._queue.pop(0)
            future.cancel()


class Executors:
    """Those of one program: 0 has four workers and is the loop's default, 1 has one."""

    def __init__(self, loop, late):
        self._loop = loop
        self._late = late
        self._executors = [VirtualExecutor(self, 4), VirtualExecutor(self, 1)]
        self.gate_is_open = False
        loop.when_idle = self.finish_one

    def run(self, executor, what, value):
        future = self._loop.run_in_executor(self._executors[executor], Call(what, value))
        self.answer_now()
        return future

    def open_gate(self):
        self.gate_is_open = True
        self.answer_now()

    def answer_now(self):
        while not self._late and self.finish_one():
            pass

    def finish_one(self):
        return any(executor.finish_one() for executor in self._executors)

    def shutdown(self, executor, cancel_futures):
        self._executors[executor].shutdown(wait=False, cancel_futures=cancel_futures)

    def finish_all(self):
        """False: a call is held for ever."""
        while self.finish_one():
            pass
        return not any(executor.holds for executor in self._executors)
