"""CPython's event loop on a virtual clock, with every order that Python leaves open pinned down.

The loop below is asyncio's own BaseEventLoop: the same `_run_once`, the same ready queue, the same timer
heap. Only four things are replaced, each because Python leaves the outcome to chance:

1. The clock. `time()` is an integer number of milliseconds, and so is every delay that is handed to asyncio.
   asyncio only adds and compares times, so it works in any unit, and integers never round. Waiting in
   `select` moves the clock to the next deadline at once.
2. Timers with equal deadlines. Python's heap is not stable; here they run in order of creation.
3. Sets of tasks (`TaskGroup`'s children, `wait`'s and `as_completed`'s arguments, `all_tasks`). They iterate
   in order of insertion: order of arguments for `wait` and `as_completed`, order of creation for the others.
4. Tasks are the pure-Python ones, so that the recorder can watch them; `record.py` runs each program a second
   time with the C tasks and keeps it only if both traces are equal.
"""

import asyncio
import sys
from asyncio import base_events, events, futures, queues, taskgroups, tasks

MAX_PASSES = 1000
MAX_TASKS = 60


class Stuck(BaseException):
    """Raised out of the loop when nothing can ever happen again, or when too much has happened."""


class OrderedSet:
    """A set that iterates in order of insertion."""

    def __init__(self, items=()):
        self._items = dict.fromkeys(items)

    def add(self, item):
        self._items[item] = None

    def discard(self, item):
        self._items.pop(item, None)

    def remove(self, item):
        del self._items[item]

    def clear(self):
        self._items.clear()

    def __contains__(self, item):
        return item in self._items

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)


class OrderedAsCompleted(tasks._AsCompletedIterator):
    """as_completed that registers its callbacks in order of the arguments."""

    def __init__(self, aws, timeout):
        loop = events.get_running_loop()
        self._done = queues.Queue()
        self._todo = OrderedSet(aws)
        self._todo_left = len(self._todo)
        self._timeout_handle = None
        for future in self._todo:
            future.add_done_callback(self._handle_completion)
        if self._todo and timeout is not None:
            self._timeout_handle = loop.call_later(timeout, self._handle_timeout)


class StableTimer(events.TimerHandle):
    """A timer that knows how many were created before it."""

    __slots__ = ("_number",)

    def __init__(self, number, when, callback, args, loop, context):
        super().__init__(when, callback, args, loop, context)
        self._number = number

    def __lt__(self, other):
        return (self._when, self._number) < (other._when, other._number)


class VirtualSelector:
    """Waits for nothing: it moves the clock of its loop instead."""

    def __init__(self, loop):
        self._loop = loop
        self._passes = 0

    def select(self, timeout):
        self._passes += 1
        if timeout != 0 and self._loop.when_idle():
            return []  # A thread has answered: time stands still as long as one may.
        if timeout is None:
            raise Stuck("deadlock")
        if self._passes > MAX_PASSES or len(self._loop.created) > MAX_TASKS:
            raise Stuck("endless")
        self._loop.now += timeout
        return []

    def close(self):
        pass


class VirtualLoop(base_events.BaseEventLoop):
    """BaseEventLoop whose clock counts integer milliseconds and moves only when all tasks wait."""

    def __init__(self, task_type, future_type):
        super().__init__()
        self.now = 0
        self.created = []  # Every task in order of creation; also what keeps them all alive.
        self._selector = VirtualSelector(self)
        self._clock_resolution = 0.5  # Half a tick: a timer is due exactly when `when <= now`.
        self._timers = 0
        self.when_idle = lambda: False  # Lets something happen that is no timer; whether there was anything.
        self._task_type = task_type
        self._future_type = future_type

    def time(self):
        return self.now

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    def call_at(self, when, callback, *args, context=None):
        self._timers += 1
        timer = StableTimer(self._timers, when, callback, args, self, context)
        base_events.heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def create_future(self):
        return self._future_type(loop=self)

    def create_task(self, coro, *, name=None, context=None, eager_start=False):
        task = self._task_type(coro, loop=self, name=name, context=context, eager_start=eager_start)
        self.created.append(task)
        return task


def _all_tasks(loop=None):
    if loop is None:
        loop = events.get_running_loop()
    return [task for task in loop.created if not task.done()]


def pin_orders():
    """Gives asyncio's modules the ordered containers: they look `set` up as a global name."""
    tasks.set = OrderedSet
    taskgroups.set = OrderedSet
    tasks.all_tasks = _all_tasks
    tasks._AsCompletedIterator = OrderedAsCompleted


class WatchedFuture(futures._PyFuture):
    """The pure-Python future."""


class WatchedTask(tasks._PyTask):
    """The pure-Python task, reporting what the recorder must know to `loop.watcher`."""

    def cancel(self, msg=None):
        if not self.done() and asyncio.current_task(self._loop) is self:
            self._loop.watcher.tag("self_cancel")
        return super().cancel(msg=msg)

    def uncancel(self):
        caller = sys._getframe(1).f_code.co_filename
        pending = self._must_cancel
        count = super().uncancel()
        if caller.endswith(("timeouts.py", "taskgroups.py")) and pending:
            # The scope leaves while a cancel of the same task waits to be delivered. Where the count drops to
            # zero Python forgets that cancel; where it does not, a library that withdraws requests one by one
            # may rightly differ.
            if count > 0:
                self._loop.watcher.drop("scope exit with a pending cancel")
            elif self._loop.watcher.uncancelled_by_hand:
                self._loop.watcher.drop("scope exit clears a cancel after uncancel by hand")
            else:
                self._loop.watcher.tag("recancel")
        return count

    def _make_cancelled_error(self):
        kept = self._cancelled_exc is not None
        error = super()._make_cancelled_error()
        if kept:
            self.had_message = bool(error.args)
        elif getattr(self, "had_message", False) and not error.args:
            # The second reader of a cancelled task no longer sees the message: an accident of CPython.
            self._loop.watcher.drop("cancel message lost")
        return error


class WatchedGather(tasks._GatheringFuture):
    """gather's outer future, reporting when a cancelled gather ends before all of its children have."""

    def set_exception(self, exception):
        if self._cancel_requested and not all(child.done() for child in self._children):
            self.get_loop().watcher.tag("gather_cancel_early")
        super().set_exception(exception)


tasks._GatheringFuture = WatchedGather
