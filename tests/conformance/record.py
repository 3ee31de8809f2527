#!/usr/bin/env python3
"""Records the conformance programs: runs each under CPython and writes data/*.json.

    record.py             write data/ anew (CPython 3.13 or newer; the same CPython gives the same files)
    record.py --check     compare data/ with what would be written; exit status 1 if anything differs
    record.py --show NAME print one recorded program and its trace
    record.py --more FROM COUNT DIR
                          write DIR/*.json: of each style the seeds FROM to FROM+COUNT-1, not only small programs.
                          ASYNCIO_CONFORMANCE_DATA=DIR makes the tests replay these
"""

import argparse
import asyncio
import collections
import json
import pathlib
import sys

import virtual_loop
import executors
import generators
import handwritten
from generate import STYLES, generate
from interpreter import Program

DATA = pathlib.Path(__file__).parent / "data"
FORMAT = 1
PER_STYLE = 180
BYTES_MAX = 2600
LINES = range(4, 60)
WRITTEN_BY_HAND = {"handwritten": handwritten.PROGRAMS, "generators": generators.PROGRAMS,
                   "executors": executors.PROGRAMS}


class Recorder:
    """Runs programs and keeps those that say something about asyncio and nothing about its accidents."""

    def __init__(self):
        self.dropped = collections.Counter()
        self.tags = collections.Counter()
        self.events = collections.Counter()
        self.seen = set()

    def record(self, name, procs, seed):
        run = Program(procs).execute()
        reason = run.dropped
        if reason is None:
            again = Program(procs, asyncio.Task, asyncio.Future).execute()
            if (again.trace, again.result) != (run.trace, run.result):
                reason = "the C tasks differ"
            again.close()
            late = Program(procs, late=True).execute()
            if (late.trace, late.result, late.dropped) != (run.trace, run.result, None):
                reason = "it depends on when a thread answers"
            late.close()
        unretrieved = [task.get_name() for task in run.loop.created if task._log_traceback]
        run.close()
        if reason is not None:
            self.dropped[reason.split("0x")[0]] += 1
            return None, reason
        program = {"name": name, "seed": seed, "tags": sorted(run.tags), "procs": procs,
                   "outcome": run.result, "trace": run.trace, "unretrieved": unretrieved}
        return program, None

    def keep(self, program):
        self.tags.update(program["tags"])
        self.events.update(line.split(" ")[2] for line in program["trace"])

    def handwritten(self, style):
        programs = []
        for name, procs in WRITTEN_BY_HAND[style].items():
            program, reason = self.record(name, procs, None)
            if program is None:
                raise SystemExit(f"{style} program {name} is not fit: {reason}")
            self.keep(program)
            programs.append(program)
        return programs

    def random(self, style):
        programs = []
        seed = 0
        while len(programs) < PER_STYLE:
            seed += 1
            procs = generate(style, seed)
            key = json.dumps(procs)
            if key in self.seen:
                continue
            self.seen.add(key)
            program, _ = self.record(f"{style}_{seed}", procs, seed)
            if program is None:
                continue
            if len(program["trace"]) not in LINES or len(encode(program)) > BYTES_MAX:
                self.dropped["too short or too long"] += 1
                continue
            self.keep(program)
            programs.append(program)
        return programs


def more(first, count, folder):
    """Records new seeds, to look for differences that data/ does not show."""
    recorder = Recorder()
    folder.mkdir(parents=True, exist_ok=True)
    for style in WRITTEN_BY_HAND:
        (folder / f"{style}.json").write_text(render(recorder.handwritten(style)))
    for style in STYLES:
        recorded = (recorder.record(f"{style}_{seed}", generate(style, seed), seed)[0]
                    for seed in range(first, first + count))
        programs = [program for program in recorded if program is not None]
        (folder / f"{style}.json").write_text(render(programs))
        print(f"{style}: {len(programs)} programs", flush=True)
    return 0


def encode(program):
    return json.dumps(program, separators=(",", ":"))


def render(programs):
    """One program a line, so that a change shows in a diff."""
    head = {"format": FORMAT, "python": "%d.%d.%d" % sys.version_info[:3], "programs": []}
    return json.dumps(head)[:-2] + "\n" + ",\n".join(encode(p) for p in programs) + "\n]}\n"


def build():
    recorder = Recorder()
    files = {f"{style}.json": render(recorder.handwritten(style)) for style in WRITTEN_BY_HAND}
    for style in STYLES:
        files[f"{style}.json"] = render(recorder.random(style))
    return files, recorder


def show(name):
    for path in sorted(DATA.glob("*.json")):
        for program in json.loads(path.read_text())["programs"]:
            if program["name"] == name:
                for number, proc in enumerate(program["procs"]):
                    print(f"proc {number}")
                    for op in proc:
                        print("   ", json.dumps(op))
                print("tags", *program["tags"])
                print("trace", *program["trace"], sep="\n    ")
                print("outcome", program["outcome"])
                return 0
    print("no such program:", name, file=sys.stderr)
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--show", metavar="NAME")
    parser.add_argument("--more", nargs=3, metavar=("FROM", "COUNT", "DIR"))
    options = parser.parse_args()
    if options.show:
        return show(options.show)
    if sys.version_info < (3, 13):
        print("record.py needs CPython 3.13 or newer", file=sys.stderr)
        return 2
    # A stuck program's coroutines complain while they are taken apart; nobody wants to hear it.
    sys.unraisablehook = lambda _: None
    virtual_loop.pin_orders()
    if options.more:
        return more(int(options.more[0]), int(options.more[1]), pathlib.Path(options.more[2]))
    files, recorder = build()
    if options.check:
        different = [name for name, text in files.items()
                     if not (DATA / name).exists() or (DATA / name).read_text() != text]
        print("differs: " + ", ".join(different) if different else "data/ is up to date")
        return 1 if different else 0
    DATA.mkdir(exist_ok=True)
    for name, text in files.items():
        (DATA / name).write_text(text)
    print(f"{sum(text.count(chr(10)) - 2 for text in files.values())} programs, "
          f"{sum(map(len, files.values())) / 1e6:.2f} MB")
    for title, counter in (("tags", recorder.tags), ("trace lines", recorder.events),
                           ("dropped", recorder.dropped)):
        print(title + ": " + ", ".join(f"{count} {name}" for name, count in counter.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
