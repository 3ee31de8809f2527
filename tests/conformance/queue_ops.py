"""Queues. A part of interpreter.Program."""


class QueueOps:
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
