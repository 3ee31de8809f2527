"""Futures: made, completed, looked at, awaited. A part of interpreter.Program."""

import asyncio

from language import DoneCallback


class FutureOps:
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

    async def do_fawait(self, context, slot):
        future = self.future(context, "fawait", slot)
        if future is not None:
            self.before_await("fawait")
            value = await future
            self.log(context, "fawait", f"{slot} {value}")

    async def do_wait_for_fut(self, context, slot, timeout):
        future = self.future(context, "wait_for_fut", slot)
        if future is not None:
            self.before_await("wait_for_fut")
            value = await asyncio.wait_for(future, timeout)
            self.log(context, "wait_for_fut", f"{slot} {value}")
