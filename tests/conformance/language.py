"""Words of the conformance language that all parts of its interpreter share: errors, contexts, callbacks."""

import asyncio
import re

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
