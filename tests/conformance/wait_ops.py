"""What waits for tasks: shield, gather, wait, wait_for, as_completed. A part of interpreter.Program."""

import asyncio

from language import describe, RETURN_WHEN


class WaitOps:
    async def do_await(self, context, slot):
        if self.taken(context, "await", [slot]):
            self.before_await_of("await", [slot])
            value = await self.tasks[slot]
            self.log(context, "await", f"{slot} {value}")

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
