"""Timeouts and task groups. A part of interpreter.Program."""

import asyncio

from language import Context, describe


class ScopeOps:
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
