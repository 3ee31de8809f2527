"""Runs one program of the conformance language under CPython and writes its trace.

README.md defines every operation; this file is the definition executed. The C++ interpreter mirrors it
function by function, in files of the same names. The parts marked "recorder only" watch for behaviour on which Python and this library
are meant to differ, or on which Python itself is accidental; a program that shows any is dropped, or tagged.
"""

import asyncio
import contextvars
from asyncio import runners, tasks

from executor_ops import ExecutorOps
from future_ops import FutureOps
from generator_ops import GeneratorOps
from language import ERROR_NAME, KINDS, KNOWN_ERRORS, Callback, Context, DoneCallback, describe
from lock_ops import LockOps
from queue_ops import QueueOps
from scope_ops import ScopeOps
from virtual_executor import Executors
from virtual_loop import Stuck, VirtualLoop, WatchedFuture, WatchedTask
from wait_ops import WaitOps

VARIABLE = contextvars.ContextVar("variable", default=0)


class Program(FutureOps, WaitOps, ScopeOps, LockOps, QueueOps, GeneratorOps, ExecutorOps):
    """One run of one program."""

    def __init__(self, procs, task_type=WatchedTask, future_type=WatchedFuture, late=False):
        self.procs = procs
        self.loop = VirtualLoop(task_type, future_type)
        self.loop.watcher = self
        self.loop.set_exception_handler(self.on_unhandled)
        self.trace = []
        self.tasks = {}
        self.futures = {}
        self.handles = {}
        self.spawned = {}
        self.generators = {}
        self.ignorant = set()
        self.executors = Executors(self.loop, late)
        self.sync = {
            "lock": [asyncio.Lock(), asyncio.Lock()],
            "event": [asyncio.Event(), asyncio.Event()],
            "cond": [asyncio.Condition(), asyncio.Condition()],
            "sem": [asyncio.Semaphore(1), asyncio.BoundedSemaphore(2), asyncio.Semaphore(0)],
            "bar": [asyncio.Barrier(2), asyncio.Barrier(3)],
            "queue": [asyncio.Queue(1), asyncio.Queue(), asyncio.LifoQueue(2), asyncio.PriorityQueue(2)],
        }
        self.tags = set()
        self.dropped = None
        self.uncancelled_by_hand = False
        self.main_done = False
        self.closing = False

    # --- recorder only ---

    def tag(self, tag):
        self.tags.add(tag)

    def drop(self, reason):
        if self.dropped is None:
            self.dropped = reason

    def before_await(self, op, may_be_pending=False):
        """Called first in every operation that awaits something other than a coroutine of the program."""
        if self.closing:
            return
        if getattr(asyncio.current_task(), "_must_cancel", False) and not may_be_pending:
            self.drop("pending cancel meets " + op)

    def before_await_of(self, op, slots):
        self.before_await(op)
        me = asyncio.current_task()
        for slot in slots:
            if self.tasks.get(slot) is me:
                self.drop("a task waits for itself")

    # --- the trace ---

    def log(self, context, event, detail=""):
        who = context.name if context else "-"
        if self.main_done and context is None:
            self.tag("drain")
        self.trace.append(f"{self.loop.now} {who} {event}" + (f" {detail}" if detail != "" else ""))

    def on_unhandled(self, loop, context):
        message = context["message"]
        error = context.get("exception")
        if isinstance(error, RecursionError) or error is None:
            self.drop("unusual error: " + message)
        elif message.startswith("unhandled exception during asyncio.run() shutdown"):
            self.log(None, "handler", "shutdown " + describe(error))
        elif message.startswith("Exception in callback"):
            self.log(None, "handler", "callback " + describe(error))
        elif "never retrieved" not in message:
            self.drop("unusual handler call: " + message)

    # --- tasks ---

    async def task_body(self, proc, context):
        """The coroutine of every task: the procedure, and a line that says how it ended."""
        try:
            value = await self.proc(proc, context)
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                self.log(context, "end", describe(error))
            raise
        self.log(context, "end", value)
        return value

    async def proc(self, number, context):
        result = await self.run(context, self.procs[number])
        return 0 if result is None else result

    def new_name(self, slot):
        count = self.spawned[slot] = self.spawned.get(slot, 0) + 1
        return f"t{slot}" if count == 1 else f"t{slot}.{count}"

    def spawn(self, slot, proc, eager=False):
        name = self.new_name(slot)
        body = self.task_body(proc, Context(name))
        self.tasks[slot] = self.loop.create_task(body, name=name, eager_start=eager)

    def taken(self, context, op, slots):
        """The slots that hold a task; writes `empty` if there is none."""
        found = [slot for slot in slots if slot in self.tasks]
        if not found and slots:
            self.log(context, "empty", op)
        return found

    def outcome(self, task):
        try:
            return str(task.result())
        except (Exception, asyncio.CancelledError) as error:
            return describe(error, with_message=False)

    def attempt(self, context, op, slot, function, *arguments):
        """Calls the function and writes what it gave, or what went wrong."""
        try:
            value = function(*arguments)
        except (RuntimeError, ValueError, asyncio.QueueEmpty, asyncio.QueueFull, asyncio.QueueShutDown) as error:
            self.log(context, op, f"{slot} {type(error).__name__}")
        else:
            self.log(context, op, f"{slot} {'ok' if value is None else value}")

    # --- operations that never suspend: everywhere, also in callbacks ---

    def run_sync(self, context, op):
        kind, *args = op
        return getattr(self, "op_" + kind)(context, *args)

    def op_log(self, context, label):
        self.log(context, "log", label)

    def op_spawn(self, context, slot, proc):
        self.spawn(slot, proc)

    def op_espawn(self, context, slot, proc):
        self.spawn(slot, proc, eager=True)

    def op_setvar(self, context, value):
        VARIABLE.set(value)

    def op_var(self, context):
        self.log(context, "var", VARIABLE.get())

    def op_cancel(self, context, slot, message=None):
        if self.taken(context, "cancel", [slot]):
            accepted = self.tasks[slot].cancel(message) if message else self.tasks[slot].cancel()
            self.log(context, "cancel", f"{slot} {int(accepted)}")

    def op_state(self, context, slot):
        if self.taken(context, "state", [slot]):
            task = self.tasks[slot]
            if task.cancelled():
                state = "cancelled"
            elif task.done():
                state = "done"
            else:
                state = f"pending {task.cancelling()}"
            self.log(context, "state", f"{slot} {state}")

    def op_result(self, context, slot):
        if self.taken(context, "result", [slot]):
            self.log(context, "result", f"{slot} {self.outcome(self.tasks[slot])}")

    def op_tasks(self, context):
        names = [task.get_name() for task in tasks.all_tasks(self.loop)]
        self.log(context, "tasks", ",".join(name for name in names if not name.startswith("Task-")))

    def op_cb(self, context, slot, label):
        if self.taken(context, "cb", [slot]):
            self.tasks[slot].add_done_callback(DoneCallback(self, label))

    def op_call_soon(self, context, handle, ops):
        self.handles[handle] = self.loop.call_soon(Callback(self, ops))

    def op_call_later(self, context, handle, delay, ops):
        self.handles[handle] = self.loop.call_later(delay, Callback(self, ops))

    def op_call_at(self, context, handle, when, ops):
        self.handles[handle] = self.loop.call_at(when, Callback(self, ops))

    def op_hcancel(self, context, handle):
        if handle in self.handles:
            self.handles[handle].cancel()
        else:
            self.log(context, "empty", "hcancel")

    def op_raise(self, context, number):
        raise ValueError(number)

    # --- operations of a task that never suspend ---

    def op_cancel_me(self, context, message=None):
        me = asyncio.current_task()
        accepted = me.cancel(message) if message else me.cancel()
        self.log(context, "cancel_me", int(accepted))

    def op_uncancel(self, context):
        if asyncio.current_task().cancelling():
            self.uncancelled_by_hand = True
            self.tag("uncancel")
        self.log(context, "uncancel", asyncio.current_task().uncancel())

    def op_me(self, context):
        self.log(context, "me", asyncio.current_task().cancelling())

    def op_raise_timeout(self, context):
        raise TimeoutError

    def op_raise_cancel(self, context):
        raise asyncio.CancelledError

    def op_reraise(self, context):
        if context.caught is None:
            self.log(context, "empty", "reraise")
        else:
            raise context.caught

    # --- operations that may suspend ---

    async def run(self, context, ops):
        """Runs operations in turn. None: went through; a number: a `ret` was met, leave the procedure."""
        for op in ops:
            kind, *args = op
            if kind == "ret":
                return args[0]
            method = getattr(self, "do_" + kind, None)
            if method is None:
                self.run_sync(context, op)
            else:
                result = await method(context, *args)
                if result is not None:
                    return result
        return None

    async def do_sleep(self, context, delay):
        self.before_await("sleep", may_be_pending=True)
        await asyncio.sleep(delay)
        self.log(context, "slept")

    async def do_call(self, context, proc):
        value = await self.proc(proc, context)
        self.log(context, "call", f"{proc} {value}")

    async def do_loop(self, context, count, ops):
        for _ in range(count):
            result = await self.run(context, ops)
            if result is not None:
                return result
        return None

    async def do_try(self, context, ops, handlers, cleanup=None):
        try:
            return await self.run(context, ops)
        except (Exception, asyncio.CancelledError) as error:
            for kind, handler in handlers:
                if isinstance(error, KINDS[kind]):
                    self.log(context, "caught", describe(error))
                    return await self.run(context.inside(caught=error), handler)
            raise
        finally:
            if cleanup is not None and not self.closing:
                await self.run(context, cleanup)

    # --- the whole program ---

    async def main(self):
        try:
            return await self.task_body(0, Context("m"))
        finally:
            self.main_done = True

    def execute(self):
        """Does what asyncio.run does: main, then cancel what is left and wait for it."""
        self.tasks[-1] = main = self.loop.create_task(self.main(), name="m")
        try:
            try:
                self.result = f"value {self.loop.run_until_complete(main)}"
            except (Exception, asyncio.CancelledError) as error:
                self.result = describe(error)
            if tasks.all_tasks(self.loop):
                self.tag("leftover")
            runners._cancel_all_tasks(self.loop)
            self.check_end()
        except Stuck as stuck:
            self.drop(str(stuck))
            self.result = None
        except RecursionError:
            self.drop("recursion")
            self.result = None
        except GeneratorExit:
            self.drop("GeneratorExit has left a generator")
            self.result = None
        return self

    def check_end(self):
        # Recorder only. Whether a loop that is being closed still runs these is nobody's business.
        for handle in self.loop._ready:
            if not handle._cancelled and isinstance(handle._callback, (Callback, DoneCallback)):
                self.drop("a callback is ready when the loop closes")
        if tasks.all_tasks(self.loop):
            self.drop("a task was spawned during shutdown")
        if not self.executors.finish_all():
            self.drop("a call is still held when the program is over")
        if any("StopAsyncIteration" in line for line in self.trace):
            self.drop("StopAsyncIteration leaves aclose")
        if any(name not in KNOWN_ERRORS for line in self.trace for name in ERROR_NAME.findall(line)):
            self.drop("an error of another type")

    def close(self):
        """Frees what a stuck program left suspended, here and now and not in the middle of another one."""
        self.closing = True
        for task in self.loop.created:
            for _ in range(20):
                try:
                    task.get_coro().close()
                    break
                except (Exception, asyncio.CancelledError, BaseExceptionGroup):
                    pass  # The coroutine awaited or raised on its way out; it is told again.
        for future in [*self.tasks.values(), *self.loop.created, *self.futures.values()]:
            if future.done():
                future._log_traceback = False
            else:
                future._log_destroy_pending = False
        self.loop._ready.clear()
        self.loop._scheduled.clear()
        self.loop.close()
        self.generators.clear()
