"""Async generators: their bodies, and what is asked of them. A part of interpreter.Program."""

import asyncio

from language import Context, describe, KINDS


class GeneratorOps:
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
