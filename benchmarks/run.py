#!/usr/bin/env python3
"""Runs the benchmarks: every job for this library and each rival that is here, interleaved in rounds.

usage: run.py [--jobs switch,echo] [--rivals asio,go] [--rounds 15] [--write] …      (see --help)

Prints a table for each job, keeps the numbers of each run in build/bench/results/*.json, and with --write makes
benchmarks/RESULTS.md and benchmarks/plots/. How to read the tables, and how to add a job or a rival: README.md.
"""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import subprocess
import sys

from house import contestants, drive, jobs, marks, report

PLOTS = contestants.BENCHMARKS / "plots"
RESULTS = contestants.BENCHMARKS / "RESULTS.md"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    names = lambda text: [word for word in text.replace(",", " ").split() if word]
    parser.add_argument("--jobs", type=names, default=[], help="jobs or cases (switch, echo/100x64), by commas; all if left out")
    parser.add_argument("--rivals", type=names, default=None, help="rivals (asio, go, none), by commas; all that are here if left out")
    parser.add_argument("--rounds", type=int, default=15, help="how often each contestant runs")
    parser.add_argument("--max-rounds", type=int, default=0, help="go on up to so many rounds where a mark is undecided")
    parser.add_argument("--priority", choices=["", "nice", "fifo"], default="",
                        help="nice -n -10 or chrt -f 1, for a machine that others use, too (root)")  # fmt: skip
    parser.add_argument("--scaling", action="store_true", help="also the curves from 10^3 to 10^6 tasks, timers, connections")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md and plots/")
    parser.add_argument("--report", metavar="JSON", help="run nothing: tables, and with --write the files, of an earlier run")
    parser.add_argument("--brief", action="store_true", help="once, with tiny sizes: only to see that everything works")
    parser.add_argument("--install", action="store_true", help="install the rivals that are missing, with apt-get")
    parser.add_argument("--no-build", action="store_true", help="run what was built before")
    parser.add_argument("--library", metavar="FOLDER", help="take the library that was built there (preset release)")
    parser.add_argument("--build-jobs", type=int, default=0, help="parallel compiler runs; 0: as many as there are cores")
    parser.add_argument("--list", action="store_true", help="the jobs and rivals there are")
    return parser.parse_args()


def find_rivals(install):
    here = contestants.families_here()
    missing = [name for name in contestants.FAMILIES if name not in here]
    if missing:
        packages = sorted({word for name in missing for word in contestants.FAMILIES[name].packages.split()})
        line = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
        if install:
            print(f"installing {', '.join(missing)}: {shlex.join(line)}", flush=True)
            subprocess.run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq", *line[1:]], check=True)
            here = contestants.families_here()
        else:
            print(f"not here: {', '.join(missing)}. `--install` runs: {shlex.join(line)}")
    return here


def who_takes_part(case, driver, here, wanted):
    """This library's variants, the floor, and the rivals that are here, wanted and built."""
    names = list(case.ours)
    for name in case.who:
        family = contestants.RIVALS[name].family
        if name != "floor" and (family not in here or (wanted is not None and not {name, family} & set(wanted))):
            continue
        if name == "aiohttp-uvloop" and "uvloop" not in here:
            continue
        names.append(name)
    return [name for name in names if contestants.is_built(driver.command(case, name))]


def run_case(case, driver, names, options, all_marks):
    """numbers[contestant][round]: what it measured, or None where it failed."""
    numbers = {name: [] for name in names}
    failures = {}
    rounds = 0
    while True:
        first = rounds % len(names)
        for name in names[first:] + names[:first]:
            try:
                numbers[name].append(driver.run(case, name))
            except drive.Failed as error:
                numbers[name].append(None)
                failures[name] = str(error)
        rounds += 1
        if sys.stderr.isatty():
            print(f"\r{case.key}: round {rounds} ", end="", file=sys.stderr, flush=True)
        if rounds >= options.rounds and (rounds >= options.max_rounds or not marks.undecided(all_marks, case, numbers)):
            break
    return numbers, failures


def scaling_curves(driver, here, wanted):
    """Time and memory over sizes; a rival's curve ends where a size takes it too long."""
    sizes = [1000, 10_000, 100_000, 1_000_000]
    connections = [10, 100, 1000, 5000, 9000]
    curves = [
        ("gather", "", "value", sizes, "tasks", "time a task [ns]", "gather: time over the number of tasks"),
        ("sleepers", "", "value", sizes, "tasks", "peak memory a task [B]", "sleepers: memory over the number of tasks"),
        ("timers", "spread", "value", sizes, "timers", "CPU a timer [ns]", "timers spread over 1 s: CPU over their number"),
        ("timers", "spread", "bytes", sizes, "timers", "peak memory a timer [B]", "timers: memory over their number"),
        ("echo", "100x64", "cpu_us", connections, "connections", "server CPU a message [us]", "echo: CPU over the number of connections"),
        ("echo", "idle", "value", connections[1:], "connections", "resident memory a connection [B]", "echo: memory of idle connections"),
    ]
    cases = {case.key: case for case in jobs.CASES}
    made, cache = [], {}
    for job, name, metric, xs, x_label, y_label, title in curves:
        case = cases[f"{job}/{name}" if name else job]
        series = {}
        for who in who_takes_part(case, driver, here, wanted):
            for x in xs:
                if contestants.is_python(who) and x > 100_000:
                    break
                size = {"connections": x} if x_label == "connections" else {"n": x}
                args = case.args | size | ({"repeats": 3} if job == "gather" else {}) | ({"seconds": 1} if job == "sleepers" else {})
                key = (case.key, who, x)
                if key not in cache:
                    try:
                        cache[key] = getattr(driver, f"run_{case.kind}")(case, who, args)
                    except drive.Failed:
                        cache[key] = {}
                if metric in cache[key]:
                    series.setdefault(who, []).append((x, cache[key][metric]))
        file = f"scaling-{title.split(':')[0].replace(' ', '_')}-{metric if metric != 'value' else case.metrics[0].label.split()[0]}.svg"
        made.append({"title": title, "x": x_label, "y": y_label, "series": series, "file": file})
    return made


def keep(run):
    folder = contestants.BUILD / "results"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.datetime.now():%Y-%m-%d_%H%M%S}.json"
    path.write_text(json.dumps(run))
    return path


def main():
    options = arguments()
    all_marks = marks.load()
    if options.list:
        for case in jobs.CASES:
            print(f"{case.key:22} {case.title}: {', '.join(case.who) or 'this library alone'}")
        return 0
    if options.report:
        run = json.loads(pathlib.Path(options.report).read_text())
        cases = {case.key: case for case in jobs.CASES}
        for key, result in run["cases"].items():
            report.print_case(cases[key], result["numbers"], result["failures"], all_marks)
        if options.write:
            report.write_results(run, all_marks, RESULTS, PLOTS)
        return 0
    try:
        cases = jobs.select(options.jobs)
    except KeyError as error:
        print(f"run.py: {error.args[0]}", file=sys.stderr)
        return 2
    if options.brief:
        options.rounds, options.max_rounds = 1, 0
    here = find_rivals(options.install)
    if not options.no_build:
        try:
            contestants.build(here, options.build_jobs or len(os.sched_getaffinity(0)), options.library)
        except contestants.BuildError as error:
            print(error, file=sys.stderr)
            return 1
    driver = drive.Driver(options.brief, options.priority, time_limit=60 if options.brief else 300)
    print(report.FIRST_LINE)
    run = {"machine": report.machine(), "versions": contestants.versions(here), "command": shlex.join(["benchmarks/run.py", *sys.argv[1:]]),
           "rounds": options.rounds, "priority": options.priority, "cases": {}}  # fmt: skip
    failed = False
    for case in cases:
        names = who_takes_part(case, driver, here, options.rivals)
        if not set(case.ours) & set(names):
            print(f"\n## {case.key}: not built")
            continue
        numbers, failures = run_case(case, driver, names, options, all_marks)
        run["cases"][case.key] = {"numbers": numbers, "failures": failures}
        failed = failed or any(name in contestants.OURS for name in failures) or (options.brief and bool(failures))
        if options.brief:
            print(f"{case.key:22} {len(names) - len(failures)} of {len(names)} work")
            for name, reason in failures.items():
                print(f"  {contestants.label(name)} failed: {reason}")
        else:
            report.print_case(case, numbers, failures, all_marks)
        sys.stdout.flush()
    if options.scaling:
        run["scaling"] = scaling_curves(driver, here, options.rivals)
    if not options.brief:
        print(f"\nkept in {keep(run).relative_to(contestants.ROOT)}")
    if options.write:
        report.write_results(run, all_marks, RESULTS, PLOTS)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
