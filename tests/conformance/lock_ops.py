"""Locks, events, conditions, semaphores and barriers. A part of interpreter.Program."""

import asyncio

from language import describe


class LockOps:
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
