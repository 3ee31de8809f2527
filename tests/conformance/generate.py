"""Makes random programs of the conformance language: the same style and seed give the same program, always.

A program is a list of procedures; procedure 0 is main. Procedures call and spawn only procedures with a
higher number, so each ends. Times come from a handful of small numbers, so that many things fall due together
and the order among them is what is tested. A style is a set of weights: each concentrates on one part of
asyncio.
"""

import random

TIMES = [0, 0, 1, 1, 1, 2, 2, 3, 5, 10]

# What a procedure of a task does, and how often.
BASE = {
    "sleep": 26, "log": 3, "await": 6, "cancel": 7, "gather": 4, "wait": 4, "wait_for": 4, "wait_for_call": 3,
    "timeout": 5, "group": 4, "shield": 3, "as_completed": 2, "try": 16, "raise": 3, "call": 3,
    "call_later": 4, "call_soon": 2, "future": 7, "cb": 2, "state": 3, "loop": 2, "cancel_me": 1,
    "uncancel": 1, "me": 2, "result": 1, "tasks": 1, "ret": 2, "spawn": 3, "hcancel": 1, "raise_timeout": 0.5,
    "raise_cancel": 0.7,
}

# Of the styles about synchronisation, whose tasks may wait for ever: main waits for none of them, and its end
# cancels what is left.
QUIET = {"sleep": 34, "cancel": 20, "call_later": 12, "call_soon": 10, "sync": 20, "state": 2, "spawn": 4}
SYNC_BASE = {
    "sleep": 20, "await": 2, "gather": 0, "wait": 0, "wait_for": 1, "wait_for_call": 4, "timeout": 12, "group": 3,
    "shield": 0, "as_completed": 0, "try": 16, "raise": 2, "future": 0, "cancel": 12, "cancel_me": 0.5, "loop": 3,
    "uncancel": 0.5, "hcancel": 0, "call_soon": 3, "call_later": 5, "cb": 0, "result": 0, "tasks": 0, "me": 1,
}

STYLES = {
    "tiny": dict(size=4, depth=2, procs=(2, 3), tasks=(1, 2), weights={}),
    "medium": dict(size=8, depth=3, procs=(2, 4), tasks=(2, 4), weights={}),
    "nested": dict(size=9, depth=5, procs=(2, 4), tasks=(1, 3),
                   weights={"try": 30, "timeout": 22, "group": 14, "loop": 5, "call": 8}),
    "race": dict(size=7, depth=3, procs=(3, 5), tasks=(3, 6), times=[0, 0, 1, 1, 2],
                 weights={"cancel": 22, "call_later": 14, "await": 12, "sleep": 34, "call_soon": 6}),
    "gather": dict(size=6, depth=3, procs=(3, 4), tasks=(2, 5),
                   weights={"gather": 34, "raise": 6, "cancel": 10}),
    "wait": dict(size=6, depth=3, procs=(3, 4), tasks=(2, 5), weights={"wait": 36, "raise": 6, "cancel": 10}),
    "wait_for": dict(size=6, depth=3, procs=(3, 4), tasks=(2, 4),
                     weights={"wait_for": 24, "wait_for_call": 18, "cancel": 10, "future": 8}),
    "timeout": dict(size=7, depth=5, procs=(2, 4), tasks=(1, 3), times=[0, 1, 1, 2, 3],
                    weights={"timeout": 40, "cancel": 9, "call_later": 7}),
    "group": dict(size=7, depth=4, procs=(3, 5), tasks=(1, 2),
                  weights={"group": 34, "raise": 9, "cancel": 10, "call_later": 6}),
    "shield": dict(size=6, depth=3, procs=(3, 4), tasks=(2, 4),
                   weights={"shield": 32, "cancel": 14, "wait_for": 8}),
    "as_completed": dict(size=6, depth=3, procs=(3, 4), tasks=(2, 5),
                         weights={"as_completed": 30, "raise": 5}),
    "future": dict(size=7, depth=3, procs=(2, 4), tasks=(2, 4),
                   weights={"future": 50, "cb": 8, "call_later": 10, "call_soon": 6}),
    "cancel": dict(size=7, depth=3, procs=(3, 4), tasks=(2, 4),
                   weights={"cancel": 34, "await": 16, "try": 26, "uncancel": 4, "state": 8}),
    "self_cancel": dict(size=6, depth=3, procs=(2, 3), tasks=(1, 3),
                        weights={"cancel_me": 16, "uncancel": 6, "try": 24, "timeout": 9, "me": 6}),
    "lock": dict(size=6, depth=3, procs=(3, 4), tasks=(3, 6), times=[0, 0, 0, 1, 1, 2], main=QUIET,
                 weights=SYNC_BASE | {"with lock": 34, "with sem": 20, "acquire": 14, "release": 18, "locked": 5}),
    "condition": dict(size=6, depth=3, procs=(3, 4), tasks=(3, 6), times=[0, 0, 0, 1, 1, 2], main=QUIET,
                      weights=SYNC_BASE | {"with cond": 44, "cwait": 6, "notify": 12, "event": 22}),
    "barrier": dict(size=6, depth=2, procs=(3, 4), tasks=(3, 7), times=[0, 0, 0, 1, 1, 2], main=QUIET,
                    weights=SYNC_BASE | {"barrier": 44, "with bar": 10}),
    "queue": dict(size=8, depth=3, procs=(3, 4), tasks=(3, 6), times=[0, 0, 0, 1, 1, 2], main=QUIET,
                  weights=SYNC_BASE | {"queue": 90}),
    "iterate": dict(size=7, depth=3, procs=(2, 4), tasks=(2, 4), generators=(1, 3), times=[0, 0, 1, 1, 2, 3],
                    weights={"iterate": 110, "cancel": 12, "timeout": 9, "gather": 0, "wait": 0, "shield": 0,
                             "as_completed": 0, "future": 0, "wait_for": 1, "loop": 4}),
    "shutdown": dict(size=5, depth=3, procs=(3, 5), tasks=(3, 6), short_main=True,
                     weights={"try": 34, "sleep": 34, "raise": 5}),
}

MAY_THROW = ("await", "gather", "wait_for", "wait_for_call", "timeout", "group", "shield", "as_completed",
             "fawait", "wait_for_fut", "call", "anext", "asend", "athrow", "aclose", "gfor", "gwith")


class Generator:
    """Draws one program."""

    def __init__(self, style, seed):
        self.rng = random.Random(f"{style}/{seed}")
        self.style = STYLES[style]
        self.weights = BASE | self.style["weights"]
        self.times = self.style.get("times", TIMES)
        self.count = self.rng.randint(*self.style["procs"])
        self.next_slot = 0
        self.next_handle = 0
        self.futures = 1 if self.rng.random() < 0.6 else 2
        self.roots = {}  # Which procedure each slot's task runs.
        self.generators = self.rng.randint(*self.style["generators"]) if "generators" in self.style else 0

    def program(self):
        rng = self.rng
        first = [["fut", f] for f in range(self.futures)]
        spawns = [self.spawn("spawn", 0) for _ in range(rng.randint(*self.style["tasks"]))]
        self.early = self.next_slot
        size = 2 if self.style.get("short_main") else self.style["size"]
        main = self.block(0, size, self.style["depth"], in_group=False)
        procs = [first + spawns + main]
        for number in range(1, self.count):
            size = rng.randint(1, self.style["size"])
            procs.append(self.block(number, size, self.style["depth"] - 1, in_group=False))
            if rng.random() < 0.5:
                procs[-1].append(["ret", number])
        if not self.uses_futures(procs):
            procs[0] = procs[0][self.futures:]
        for slot in range(self.generators):
            procs[0].insert(slot, ["gen", slot, len(procs)])
            procs.append(self.generator_body(slot))
        return procs

    @staticmethod
    def uses_futures(ops):
        if isinstance(ops, list):
            if ops and ops[0] in ("fawait", "set", "fail", "fcancel", "fstate", "fcb", "wait_for_fut"):
                return True
            return any(Generator.uses_futures(op) for op in ops)
        return False

    # --- small choices ---

    def time(self):
        return self.rng.choice(self.times)

    def new_slot(self):
        self.next_slot += 1
        return self.next_slot - 1

    def spawn(self, kind, number):
        slot = self.new_slot()
        self.roots[slot] = self.later_proc(number)
        return [kind, slot, self.roots[slot]]

    def slot(self):
        """A task to cancel or look at: mostly one of those that main starts with."""
        return self.rng.randrange(self.early if self.rng.random() < 0.85 else self.next_slot)

    def awaited(self, number):
        """The tasks that a procedure may wait for: mostly ones that cannot wait for it in turn."""
        later = [slot for slot, root in self.roots.items() if root > number]
        return later if later and self.rng.random() < 0.93 else list(self.roots)

    def slots(self, number):
        found = self.awaited(number)
        return self.rng.sample(found, min(len(found), self.rng.choice([1, 2, 2, 3, 3, 4])))

    def later_proc(self, number):
        return self.rng.randint(number + 1, self.count - 1) if number + 1 < self.count else None

    def handle(self):
        self.next_handle += 1
        return self.next_handle - 1

    # --- blocks ---

    def block(self, number, size, depth, in_group, in_timeout=0, handler=False):
        ops = []
        while len(ops) < size:
            op = self.op(number, size, depth, in_group, in_timeout, handler)
            if op is None:
                continue
            if number == 0 and op[0] in MAY_THROW and self.rng.random() < 0.6:
                op = ["try", [op], [["any", []]]]  # So that main outlives what it waits for.
            ops.append(op)
            if op[0] in ("raise", "ret", "raise_timeout", "raise_cancel", "reraise"):
                break
        return ops

    def op(self, number, size, depth, in_group, in_timeout, handler):
        rng = self.rng
        kinds = dict(self.style.get("main", self.weights) if number == 0 else self.weights)
        if in_group:
            kinds["gspawn"] = 26
        if in_timeout:
            kinds["resched"] = 5
        if handler:
            kinds["reraise"] = 14
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        inner = max(1, size // 2)
        if (kind in ("timeout", "group", "try", "loop") or kind.startswith("with ")) and depth == 0:
            return None
        if kind in ("spawn", "gspawn", "call", "wait_for_call") and self.later_proc(number) is None:
            return None
        if kind in ("spawn", "gspawn") and self.next_slot >= 9:
            return None
        body = lambda group=in_group, timeout=in_timeout, handler=handler: self.block(
            number, rng.randint(1, inner + 1), depth - 1, group, timeout, handler)
        match kind:
            case "sleep":
                return ["sleep", self.time()]
            case "log":
                return ["log", rng.choice("abcdef")]
            case "await" | "shield":
                return [kind, rng.choice(self.awaited(number))]
            case "state" | "result":
                return [kind, self.slot()]
            case "cancel":
                slot = -1 if rng.random() < 0.1 else self.slot()
                return ["cancel", slot] + (["x"] if rng.random() < 0.08 else [])
            case "gather":
                return ["gather", self.slots(number), int(rng.random() < 0.4)]
            case "wait":
                timeout = None if rng.random() < 0.5 else self.time()
                return ["wait", self.slots(number), timeout, rng.choice(["all", "first", "exc"])]
            case "wait_for":
                slot = rng.choice(self.awaited(number))
                return ["wait_for", slot, None if rng.random() < 0.1 else self.time()]
            case "wait_for_call":
                return ["wait_for_call", self.later_proc(number), None if rng.random() < 0.1 else self.time()]
            case "timeout":
                if rng.random() < 0.15:
                    return ["timeout_at", rng.randint(0, 8), body(timeout=in_timeout + 1)]
                return ["timeout", None if rng.random() < 0.07 else self.time(), body(timeout=in_timeout + 1)]
            case "resched":
                return ["resched", rng.randrange(in_timeout), None if rng.random() < 0.2 else self.time()]
            case "group":
                count = rng.randint(0, 2)
                spawns = [self.spawn("gspawn", number) for _ in range(count) if self.can_spawn(number)]
                return ["group", spawns + body(group=True)]
            case "as_completed":
                timeout = None if rng.random() < 0.75 else self.time()
                ops = body() if rng.random() < 0.3 and depth else []
                return ["as_completed", self.slots(number), timeout, ops]
            case "try":
                return self.try_op(number, inner, depth, in_group, in_timeout, handler)
            case "raise":
                return ["raise", rng.randint(1, 9)]
            case "ret":
                return ["ret", rng.randint(10, 19)]
            case "call":
                return ["call", self.later_proc(number)]
            case "spawn" | "gspawn":
                return self.spawn(kind, number)
            case "call_soon":
                return ["call_soon", self.handle(), self.callback(number)]
            case "call_later":
                if rng.random() < 0.2:
                    return ["call_at", self.handle(), rng.randint(0, 6), self.callback(number)]
                return ["call_later", self.handle(), self.time(), self.callback(number)]
            case "with lock" | "with sem" | "with cond" | "with bar":
                return self.with_op(kind.split(" ")[1], body)
            case "acquire":
                return ["acquire", *self.primitive("lock", "lock", "sem")]
            case "release":
                return ["release", *self.primitive("lock", "lock", "sem")]
            case "locked":
                return ["locked", *self.primitive("lock", "sem", "cond")]
            case "cwait":
                return ["cwait", rng.randrange(2)]
            case "notify":
                return ["notify", rng.randrange(2), rng.choice([1, 1, 2, None])]
            case "event":
                return [rng.choice(["ewait", "ewait", "eset", "eset", "eclear"]), rng.randrange(2)]
            case "barrier":
                return [rng.choices(["bwait", "breset", "babort", "bstate"], [30, 4, 2, 4])[0], rng.randrange(2)]
            case "queue":
                return self.queue_op()
            case "iterate":
                return self.iterate_op(lambda: body() if depth else [["sleep", self.time()]])
            case "sync":
                return self.sync_op()
            case "hcancel":
                return ["hcancel", rng.randrange(self.next_handle)] if self.next_handle else None
            case "future":
                return self.future_op()
            case "cb":
                return ["cb", self.slot(), rng.choice("pqrs")]
            case "loop":
                return ["loop", rng.randint(2, 3), body()]
            case _:
                return [kind]

    def can_spawn(self, number):
        return self.later_proc(number) is not None and self.next_slot < 10

    def primitive(self, *kinds):
        kind = self.rng.choice(kinds)
        return [kind, self.rng.randrange(3 if kind == "sem" else 2)]

    def with_op(self, kind, body):
        rng = self.rng
        slot = self.primitive(kind)[1]
        ops = body()
        if kind == "cond":
            for _ in range(rng.randint(1, 2)):
                wait = ["cwait", slot] if rng.random() < 0.6 else ["notify", slot, rng.choice([1, 1, 2, None])]
                ops.insert(rng.randint(0, len(ops)), wait)
        return ["with", kind, slot, ops]

    def queue_op(self):
        rng = self.rng
        slot = rng.choice([0, 0, 0, 1, 2, 3])
        kind = rng.choices(["put", "get", "put_nowait", "get_nowait", "qdone", "join", "qshut", "qsize"],
                           [30, 34, 10, 10, 8, 4, 1.5, 2])[0]
        match kind:
            case "put" | "put_nowait":
                return [kind, slot, rng.randint(50, 59)]
            case "qshut":
                return [kind, slot, int(rng.random() < 0.4)]
            case _:
                return [kind, slot]

    def sync_op(self):
        """Something that never suspends, on the primitives of this style."""
        rng = self.rng
        if "queue" in self.weights:
            op = self.queue_op()
            return op if op[0] not in ("put", "get", "join") else None
        if "barrier" in self.weights:
            return ["bstate", rng.randrange(2)]
        if "event" in self.weights:
            return rng.choice([["eset", rng.randrange(2)], ["eclear", rng.randrange(2)],
                               ["notify", rng.randrange(2), 1], ["release", "cond", rng.randrange(2)]])
        return rng.choice([["release", *self.primitive("lock", "sem")], ["locked", *self.primitive("lock", "sem")]])

    def iterate_op(self, body, least=0):
        """Asks a generator; those that ask from a body ask one with a higher number."""
        rng = self.rng
        slot = rng.randrange(least, self.generators)
        kind = rng.choices(["anext", "asend", "athrow", "aclose", "gfor", "gwith"], [50, 10, 10, 9, 14, 6])[0]
        match kind:
            case "asend":
                return [kind, slot, rng.randint(60, 69)]
            case "athrow":
                return [kind, slot, "cancel" if rng.random() < 0.25 else rng.randint(70, 79)]
            case "gfor" | "gwith":
                return [kind, slot, body()]
            case _:
                return [kind, slot]

    def generator_body(self, slot):
        rng = self.rng
        steps = lambda least: [self.generator_step(slot) for _ in range(rng.randint(least, 3))]
        body = []
        for _ in range(rng.randint(1, 4)):
            if rng.random() < 0.45:
                body.append(self.generator_step(slot))
                continue
            kinds = rng.choice([[], ["cancel"], ["value"], ["exit"], ["any"], ["exit", "any"], ["cancel", "value"]])
            clauses = [[kind, steps(0) + ([["reraise"]] if rng.random() < 0.3 else [])] for kind in kinds]
            body.append(["gtry", steps(1), clauses, steps(0) if not kinds or rng.random() < 0.4 else []])
        return body

    def generator_step(self, slot):
        rng = self.rng
        kind = rng.choices(["yield", "sleep", "log", "me", "raise", "ask"], [50, 26, 8, 3, 4, 9])[0]
        match kind:
            case "yield":
                return ["yield", rng.randint(80, 89)]
            case "sleep":
                return ["sleep", self.time()]
            case "log":
                return ["log", rng.choice("ghij")]
            case "raise":
                return ["raise", rng.randint(90, 99)]
            case "ask" if slot + 1 < self.generators:
                return self.iterate_op(lambda: [["sleep", self.time()]], slot + 1)
            case _:
                return ["me"]

    def try_op(self, number, inner, depth, in_group, in_timeout, handler):
        rng = self.rng
        block = lambda size, handler: self.block(number, size, depth - 1, in_group, in_timeout, handler)
        body = block(rng.randint(1, inner + 1), handler)
        if body and body[0][0] != "sleep" and rng.random() < 0.4:
            body.insert(0, ["sleep", self.time()])
        handlers = []
        kinds = rng.choice([["cancel"], ["cancel"], ["cancel"], ["any"], ["any"], ["error"], ["timeout"],
                            ["value"], ["group"], ["cancel", "error"], ["timeout", "cancel"],
                            ["value", "group"], []])
        for kind in kinds:
            shape = rng.random()
            if shape < 0.3:
                ops = []
            elif shape < 0.5:
                ops = [["sleep", self.time()]]
            elif shape < 0.65:
                ops = [["sleep", self.time()], ["reraise"]]
            elif shape < 0.75:
                ops = [["raise", rng.randint(1, 9)]]
            else:
                ops = block(rng.randint(1, inner), True)
            handlers.append([kind, ops])
        if handlers and rng.random() < 0.75:
            return ["try", body, handlers]
        cleanup = [["sleep", self.time()]] if rng.random() < 0.5 else []
        cleanup += [op for op in block(rng.randint(0, 2), False) if not self.leaves(op)]
        return ["try", body, handlers, cleanup]

    @staticmethod
    def leaves(op):
        """Whether an operation may leave its procedure with a value: not allowed in a `finally`."""
        return isinstance(op, list) and (op[:1] == ["ret"] or any(Generator.leaves(part) for part in op))

    def future_op(self):
        rng = self.rng
        slot = rng.randrange(self.futures)
        kind = rng.choices(["fawait", "set", "fail", "fcancel", "fstate", "fcb", "wait_for_fut"],
                           [30, 18, 6, 8, 4, 8, 10])[0]
        match kind:
            case "set":
                return ["set", slot, rng.randint(20, 29)]
            case "fail":
                return ["fail", slot, rng.randint(30, 39)]
            case "fcb":
                return ["fcb", slot, rng.choice("uvw")]
            case "wait_for_fut":
                return ["wait_for_fut", slot, self.time()]
            case _:
                return [kind, slot]

    def callback(self, number):
        rng = self.rng
        ops = []
        for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
            if "main" in self.style and rng.random() < 0.5:
                ops += [op for op in [self.sync_op()] if op is not None]
                continue
            kind = rng.choices(["log", "cancel", "set", "fail", "fcancel", "call_soon", "state", "raise",
                                "spawn"], [20, 36, 12, 3, 5, 6, 4, 2, 3])[0]
            match kind:
                case "log":
                    ops.append(["log", rng.choice("klmn")])
                case "cancel":
                    ops.append(["cancel", -1 if rng.random() < 0.15 else self.slot()])
                case "set":
                    ops.append(["set", rng.randrange(self.futures), rng.randint(20, 29)])
                case "fail":
                    ops.append(["fail", rng.randrange(self.futures), rng.randint(30, 39)])
                case "fcancel":
                    ops.append(["fcancel", rng.randrange(self.futures)])
                case "call_soon":
                    ops.append(["call_soon", self.handle(), [["log", rng.choice("klmn")]]])
                case "state":
                    ops.append(["state", self.slot()])
                case "raise":
                    return ops + [["raise", rng.randint(40, 49)]]
                case "spawn":
                    if self.can_spawn(number):
                        ops.append(self.spawn("spawn", number))
        return ops or [["log", "z"]]


def generate(style, seed):
    """The procedures of the program that belongs to this style and seed."""
    return Generator(style, seed).program()
