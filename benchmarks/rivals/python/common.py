"""What every Python program of the benchmarks shares: arguments, memory, proof, the line of JSON."""

import json
import os
import resource
import sys
import time

ARGUMENTS = dict(argument.split("=", 1) for argument in sys.argv[1:])
IMPL = ARGUMENTS.get("loop", "asyncio")  # asyncio or uvloop
if IMPL == "uvloop":
    import uvloop

    uvloop.install()


def count(name, fallback):
    return int(float(ARGUMENTS.get(name, fallback)))


def real(name, fallback):
    return float(ARGUMENTS.get(name, fallback))


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak():
    with open("/proc/self/status") as file:
        return int(file.read().split("VmHWM:")[1].split()[0]) * 1024


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def prove(holds, what):
    if not holds:
        sys.exit(f"not proved: {what}")


def ns_each(begin, n):
    """Nanoseconds since `begin` (of time.perf_counter) for each of n operations."""
    return (time.perf_counter() - begin) * 1e9 / n


def result(job, value, unit, impl=IMPL, **more):
    print(json.dumps({"job": job, "impl": impl, "value": value, "unit": unit} | more), flush=True)
