"""Runs one program of the conformance language under CPython and writes its trace.

README.md defines every operation; this file is the definition executed. The C++ interpreter mirrors it
function by function. The parts marked "recorder only" watch for behaviour on which Python and this library
are meant to differ, or on which Python itself is accidental; a program that shows any is dropped, or tagged.
"""

import asyncio
import contextvars
import re
from asyncio import runners, tasks

from virtual_executor import Executors
from virtual_loop import Stuck, VirtualLoop, WatchedFuture, WatchedTask

VARIABLE = contextvars.ContextVar("variable", default=0)

RETURN_WHEN = {"all": asyncio.ALL_COMPLETED, "first": asyncio.FIRST_COMPLETED, "exc": asyncio.FIRST_EXCEPTION}

# What `except` clauses of the language catch.
KINDS = {
    "exit": (GeneratorExit,),
    "cancel": (asyncio.CancelledError,),
    "timeout": (TimeoutError,),
    "value": (ValueError,),
    "group": (ExceptionGroup,),
    "runtime": (RuntimeError,),
    "error": (Exception,),
    "any": (Exception, asyncio.CancelledError),
}

ERROR_NAME = re.compile(r"[A-Z]\w+(?:Error|Group)")
KNOWN_ERRORS = {
    "CancelledError", "TimeoutError", "ValueError", "ExceptionGroup", "RuntimeError", "InvalidStateError",
    "BrokenBarrierError", "TypeError"}


def describe(error, with_message=True):
    """The name of an exception, as README.md defines it."""
    if isinstance(error, asyncio.CancelledError):
        message = error.args[0] if error.args else None
        return f"CancelledError({message})" if message and with_message else "CancelledError"
    if isinstance(error, ValueError) and isinstance(error.args[0], int):
        return f"ValueError({error.args[0]})"
    if isinstance(error, TypeError):
        return "RuntimeError"  # Of a value sent to a generator that has not begun; this library has no TypeError.
    if isinstance(error, BaseExceptionGroup):
        return "ExceptionGroup[" + ",".join(describe(e) for e in error.exceptions) + "]"
    return type(error).__name__


class Context:
    """Where a coroutine stands: its task's name and the scopes around the current operation."""

    def __init__(self, name, group=None, timeouts=(), caught=None):
        self.name = name
        self.group = group
        self.timeouts = timeouts
        self.caught = caught

    def inside(self, **changes):
        return Context(**(self.__dict__ | changes))


class Callback:
    """A plain function on the loop that runs a list of synchronous operations."""

    def __init__(self, program, ops):
        self.program = program
        self.ops = ops

    def __call__(self, *args):
        for op in self.ops:
            self.program.run_sync(None, op)


class DoneCallback:
    """A done-callback that writes one line."""

    def __init__(self, program, label):
        self.program = program
        self.label = label

    def __call__(self, future):
        self.program.log(None, "cb", self.label)


class Program:
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

    def op_fut(self, context, slot):
        self.futures[slot] = self.loop.create_future()

    def future(self, context, op, slot):
        if slot not in self.futures:
            self.log(context, "empty", op)
        return self.futures.get(slot)

    def op_set(self, context, slot, value):
        future = self.future(context, "set", slot)
        if future is not None:
            self.complete(context, "set", slot, future.set_result, value)

    def op_fail(self, context, slot, number):
        future = self.future(context, "fail", slot)
        if future is not None:
            self.complete(context, "fail", slot, future.set_exception, ValueError(number))

    def complete(self, context, op, slot, setter, argument):
        try:
            setter(argument)
        except asyncio.InvalidStateError:
            self.log(context, op, f"{slot} InvalidStateError")
        else:
            self.log(context, op, f"{slot} ok")

    def op_fcancel(self, context, slot, message=None):
        future = self.future(context, "fcancel", slot)
        if future is not None:
            accepted = future.cancel(message) if message else future.cancel()
            self.log(context, "fcancel", f"{slot} {int(accepted)}")

    def op_fstate(self, context, slot):
        future = self.future(context, "fstate", slot)
        if future is not None:
            state = "cancelled" if future.cancelled() else "done" if future.done() else "pending"
            self.log(context, "fstate", f"{slot} {state}")

    def op_fcb(self, context, slot, label):
        future = self.future(context, "fcb", slot)
        if future is not None:
            future.add_done_callback(DoneCallback(self, label))

    def op_raise(self, context, number):
        raise ValueError(number)

    # --- synchronisation: what never suspends, everywhere ---

    def attempt(self, context, op, slot, function, *arguments):
        """Calls the function and writes what it gave, or what went wrong."""
        try:
            value = function(*arguments)
        except (RuntimeError, ValueError, asyncio.QueueEmpty, asyncio.QueueFull, asyncio.QueueShutDown) as error:
            self.log(context, op, f"{slot} {type(error).__name__}")
        else:
            self.log(context, op, f"{slot} {'ok' if value is None else value}")

    def op_release(self, context, kind, slot):
        self.attempt(context, "release", f"{kind} {slot}", self.sync[kind][slot].release)

    def op_locked(self, context, kind, slot):
        self.log(context, "locked", f"{kind} {slot} {int(self.sync[kind][slot].locked())}")

    def op_eset(self, context, slot):
        self.sync["event"][slot].set()

    def op_eclear(self, context, slot):
        self.sync["event"][slot].clear()

    def op_notify(self, context, slot, count):
        condition = self.sync["cond"][slot]
        if count is None:
            self.attempt(context, "notify", slot, condition.notify_all)
        else:
            self.attempt(context, "notify", slot, condition.notify, count)

    def op_bstate(self, context, slot):
        barrier = self.sync["bar"][slot]
        self.log(context, "bstate", f"{slot} {barrier.n_waiting} {int(barrier.broken)}")

    def op_put_nowait(self, context, slot, value):
        self.attempt(context, "put_nowait", slot, self.sync["queue"][slot].put_nowait, value)

    def op_get_nowait(self, context, slot):
        self.attempt(context, "get_nowait", slot, self.sync["queue"][slot].get_nowait)

    def op_qdone(self, context, slot):
        self.attempt(context, "qdone", slot, self.sync["queue"][slot].task_done)

    def op_qshut(self, context, slot, immediate):
        self.sync["queue"][slot].shutdown(bool(immediate))

    def op_qsize(self, context, slot):
        queue = self.sync["queue"][slot]
        self.log(context, "qsize", f"{slot} {queue.qsize()} {int(queue.full())}")

    # --- generators ---

    async def generator(self, context, ops):
        """The body of an async generator. It yields only here, so a `gtry` has no blocks inside."""
        for op in ops:
            body, clauses, cleanup = op[1:] if op[0] == "gtry" else ([op], [], [])
            try:
                for step in body:
                    if step[0] == "yield":
                        self.note_sent(context, (yield step[1]))
                    elif await self.run(context, [step]) is not None:
                        return
            except (Exception, asyncio.CancelledError, GeneratorExit) as error:
                if self.closing:
                    raise
                for kind, steps in clauses:
                    if isinstance(error, KINDS[kind]):
                        self.log(context, "caught", describe(error))
                        inside = context.inside(caught=error)
                        for step in steps:
                            if step[0] == "yield":
                                self.note_sent(context, (yield step[1]))
                            elif await self.run(inside, [step]) is not None:
                                return
                        break
                else:
                    raise
            finally:
                if not self.closing:
                    for step in cleanup:
                        if step[0] == "yield":
                            self.note_sent(context, (yield step[1]))
                        else:
                            await self.run(context, [step])

    def note_sent(self, context, value):
        if value is not None:
            self.log(context, "sent", value)

    def op_gen(self, context, slot, proc):
        if slot in self.generators:
            self.drop("a generator slot is used twice")  # What Python does with the first one is the collector's.
        self.generators[slot] = self.generator(Context(f"g{slot}"), self.procs[proc])

    async def advance(self, context, op, slot, step):
        """Writes the item that the step gives, or `end`."""
        self.before_asking(op, slot)
        try:
            value = await step
        except StopAsyncIteration:
            value = "end"
        if value is None:
            self.drop("athrow into a generator that has ended gives None")
        self.log(context, op, f"{slot} {value}")

    async def do_anext(self, context, slot):
        await self.advance(context, "anext", slot, self.generators[slot].__anext__())

    async def do_asend(self, context, slot, value):
        await self.advance(context, "asend", slot, self.generators[slot].asend(value))

    async def do_athrow(self, context, slot, what):
        errors = {"cancel": asyncio.CancelledError, "exit": GeneratorExit}
        error = errors[what]() if what in errors else ValueError(what)
        await self.advance(context, "athrow", slot, self.generators[slot].athrow(error))

    def before_asking(self, op, slot):
        self.before_await(op)
        if slot in self.ignorant:
            self.drop("a generator that has ignored GeneratorExit is used again")

    async def close_generator(self, slot):
        try:
            await self.generators[slot].aclose()
        except RuntimeError as error:
            if "ignored GeneratorExit" in str(error):
                self.ignorant.add(slot)  # Here it is gone, in Python it may go on.
            raise

    async def do_aclose(self, context, slot):
        self.before_asking("aclose", slot)
        await self.close_generator(slot)
        self.log(context, "aclose", slot)

    async def do_gfor(self, context, slot, ops):
        self.before_asking("gfor", slot)
        async for value in self.generators[slot]:
            self.log(context, "item", f"{slot} {value}")
            result = await self.run(context, ops)
            if result is not None:
                return result
            self.before_asking("gfor", slot)
        return None

    async def do_gwith(self, context, slot, ops):
        self.before_asking("gwith", slot)
        try:
            try:
                result = await self.run(context, ops)
            finally:  # contextlib.aclosing, spelled out
                if not self.closing:
                    await self.close_generator(slot)
        except (Exception, asyncio.CancelledError) as error:
            self.log(context, "closed", f"{slot} {describe(error)}")
            raise
        self.log(context, "closed", f"{slot} ok")
        return result

    # --- executors ---

    def op_exec(self, context, slot, executor, what, value):
        try:
            self.futures[slot] = self.executors.run(executor, what, value)
        except RuntimeError as error:
            self.log(context, "exec", f"{slot} {describe(error)}")

    def op_gate(self, context):
        self.executors.open_gate()

    def op_eshut(self, context, executor, cancel_futures):
        self.executors.shutdown(executor, bool(cancel_futures))

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

    def op_gspawn(self, context, slot, proc):
        if context.group is None:
            self.log(context, "empty", "gspawn")
            return
        name = self.new_name(slot)
        coro = self.task_body(proc, Context(name, group=context.group))
        self.tasks[slot] = context.group.create_task(coro, name=name)

    def op_resched(self, context, depth, delay):
        if depth >= len(context.timeouts):
            self.log(context, "empty", "resched")
            return
        timeout = context.timeouts[-1 - depth]
        timeout.reschedule(None if delay is None else self.loop.now + delay)

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

    async def do_await(self, context, slot):
        if self.taken(context, "await", [slot]):
            self.before_await_of("await", [slot])
            value = await self.tasks[slot]
            self.log(context, "await", f"{slot} {value}")

    async def do_fawait(self, context, slot):
        future = self.future(context, "fawait", slot)
        if future is not None:
            self.before_await("fawait")
            value = await future
            self.log(context, "fawait", f"{slot} {value}")

    async def do_shield(self, context, slot):
        if self.taken(context, "shield", [slot]):
            self.before_await_of("shield", [slot])
            inner = self.tasks[slot]
            outer = asyncio.shield(inner)
            if outer is not inner:
                inner.add_done_callback(lambda inner: self.check_shield(outer, inner))
            value = await outer
            self.log(context, "shield", f"{slot} {value}")

    def check_shield(self, outer, inner):
        # Recorder only. From 3.14 on this calls the exception handler, in 3.13 it does not.
        if outer.cancelled() and not inner.cancelled() and inner.exception() is not None:
            self.tag("shield_lost")

    async def do_gather(self, context, slots, return_exceptions):
        wanted, slots = slots, self.taken(context, "gather", slots)
        if wanted and not slots:
            return
        self.before_await_of("gather", slots)
        gathered = asyncio.gather(*(self.tasks[s] for s in slots), return_exceptions=bool(return_exceptions))
        results = await gathered
        parts = [describe(r, with_message=False) if isinstance(r, BaseException) else str(r) for r in results]
        self.log(context, "gather", "[" + ",".join(parts) + "]")

    async def do_wait(self, context, slots, timeout, return_when):
        slots = self.taken(context, "wait", slots)
        if not slots:
            return
        self.before_await_of("wait", slots)
        slot_of = {self.tasks[slot]: slot for slot in slots}
        done, pending = await asyncio.wait(
            [self.tasks[s] for s in slots], timeout=timeout, return_when=RETURN_WHEN[return_when])
        show = lambda found: ",".join(str(slot_of[task]) for task in found)
        self.log(context, "wait", f"{show(done)}|{show(pending)}")

    async def do_wait_for(self, context, slot, timeout):
        if self.taken(context, "wait_for", [slot]):
            self.before_await_of("wait_for", [slot])
            value = await asyncio.wait_for(self.tasks[slot], timeout)
            self.log(context, "wait_for", f"{slot} {value}")

    async def do_wait_for_call(self, context, proc, timeout):
        self.before_await("wait_for_call")
        value = await asyncio.wait_for(self.proc(proc, context), timeout)
        self.log(context, "wait_for_call", f"{proc} {value}")

    async def do_wait_for_fut(self, context, slot, timeout):
        future = self.future(context, "wait_for_fut", slot)
        if future is not None:
            self.before_await("wait_for_fut")
            value = await asyncio.wait_for(future, timeout)
            self.log(context, "wait_for_fut", f"{slot} {value}")

    async def do_as_completed(self, context, slots, timeout, ops):
        slots = self.taken(context, "as_completed", slots)
        if not slots:
            return None
        self.before_await_of("as_completed", slots)
        slot_of = {self.tasks[slot]: slot for slot in slots}
        async for task in asyncio.as_completed([self.tasks[s] for s in slots], timeout=timeout):
            self.log(context, "next", f"{slot_of[task]} {self.outcome(task)}")
            result = await self.run(context, ops)
            if result is not None:
                return result
            self.before_await("as_completed")
        return None

    async def do_timeout(self, context, delay, ops):
        return await self.in_timeout(context, None if delay is None else self.loop.now + delay, ops)

    async def do_timeout_at(self, context, when, ops):
        return await self.in_timeout(context, when, ops)

    async def in_timeout(self, context, when, ops):
        self.before_await("timeout")
        scope = asyncio.timeout_at(when)
        try:
            async with scope:
                result = await self.run(context.inside(timeouts=context.timeouts + (scope,)), ops)
        except (Exception, asyncio.CancelledError) as error:
            self.log(context, "timeout", f"{int(scope.expired())} {describe(error)}")
            raise
        self.log(context, "timeout", f"{int(scope.expired())} ok")
        return result

    async def do_group(self, context, ops):
        self.before_await("group")
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    result = await self.run(context.inside(group=group), ops)
                finally:
                    if not self.closing and getattr(asyncio.current_task(), "_must_cancel", False):
                        self.tag("pending_at_group_end")
        except (Exception, asyncio.CancelledError) as error:
            self.log(context, "group", describe(error))
            raise
        self.log(context, "group", "ok")
        return result

    async def do_with(self, context, kind, slot, ops):
        self.before_await("with")
        try:
            async with self.sync[kind][slot]:
                self.log(context, "entered", f"{kind} {slot}")
                result = await self.run(context, ops)
        except (Exception, asyncio.CancelledError) as error:
            self.log(context, "left", f"{kind} {slot} {describe(error)}")
            raise
        self.log(context, "left", f"{kind} {slot} ok")
        return result

    async def do_acquire(self, context, kind, slot):
        self.before_await("acquire")
        await self.sync[kind][slot].acquire()
        self.log(context, "acquire", f"{kind} {slot}")

    async def do_ewait(self, context, slot):
        self.before_await("ewait")
        await self.sync["event"][slot].wait()
        self.log(context, "ewait", slot)

    async def do_cwait(self, context, slot):
        self.before_await("cwait")
        await self.sync["cond"][slot].wait()
        self.log(context, "cwait", slot)

    async def do_bwait(self, context, slot):
        self.before_await("bwait")
        index = await self.sync["bar"][slot].wait()
        self.log(context, "bwait", f"{slot} {index}")

    async def do_breset(self, context, slot):
        self.before_await("breset")
        await self.sync["bar"][slot].reset()

    async def do_babort(self, context, slot):
        self.before_await("babort")
        await self.sync["bar"][slot].abort()

    async def do_put(self, context, slot, value):
        self.before_await("put")
        await self.sync["queue"][slot].put(value)
        self.log(context, "put", slot)

    async def do_get(self, context, slot):
        self.before_await("get")
        value = await self.sync["queue"][slot].get()
        self.log(context, "get", f"{slot} {value}")

    async def do_join(self, context, slot):
        self.before_await("join")
        await self.sync["queue"][slot].join()
        self.log(context, "join", slot)

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
