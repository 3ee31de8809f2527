"""Calls on executors. A part of interpreter.Program."""

from language import describe


class ExecutorOps:
    def op_exec(self, context, slot, executor, what, value):
        try:
            self.futures[slot] = self.executors.run(executor, what, value)
        except RuntimeError as error:
            self.log(context, "exec", f"{slot} {describe(error)}")

    def op_gate(self, context):
        self.executors.open_gate()

    def op_eshut(self, context, executor, cancel_futures):
        self.executors.shutdown(executor, bool(cancel_futures))
