"""Marks and their verdicts, see marks.toml."""

import tomllib

from house import contestants, jobs, stats

ENOUGH_ROUNDS = 15
TOLERANCE = 1.03
KEYS = {"job", "case", "metric", "who", "text", "once", "at_most", "at_least", "floor_at_most", "floor_at_least", "ahead_of"}


def load():
    with open(contestants.BENCHMARKS / "marks.toml", "rb") as file:
        marks = tomllib.load(file)["mark"]
    cases = {case.key: case for case in jobs.CASES}
    for mark in marks:
        key = "/".join(filter(None, [mark["job"], mark.get("case")]))
        metrics = {metric.name for metric in cases[key].metrics} if key in cases else set()
        if set(mark) - KEYS or mark.get("metric", "value") not in metrics:
            raise KeyError(f"marks.toml: no case {key} with such a metric, or an unknown key: {mark}")
        mark["key"] = key
    return marks


def paired(numbers, a, b, metric):
    """Pairs of two contestants' numbers from the rounds in which both have one."""
    return [
        (x[metric], y[metric])
        for x, y in zip(numbers.get(a, []), numbers.get(b, []))
        if x and y and metric in x and metric in y and y[metric] and x[metric] > 0
    ]


def shares(mark, case, numbers):
    """For each bound of the mark: what it is about, and per round the part of the bound that was used (1: just met)."""
    metric = mark.get("metric", "value")
    who = mark.get("who", "ours")
    own = [x[metric] for x in numbers.get(who, []) if x and metric in x]
    if "at_most" in mark:
        yield "", [value / mark["at_most"] for value in own]
    if "at_least" in mark:
        yield "", [mark["at_least"] / value for value in own if value]
    floor = [a / b for a, b in paired(numbers, who, "floor", metric)]
    if "floor_at_most" in mark:
        yield "floor", [ratio / mark["floor_at_most"] for ratio in floor]
    if "floor_at_least" in mark:
        yield "floor", [mark["floor_at_least"] / ratio for ratio in floor if ratio]
    better = next(m.better for m in case.metrics if m.name == metric)
    wanted = mark.get("ahead_of", {})
    others = {name: wanted["*"] for name in numbers if name not in contestants.OURS and name != "floor"} if "*" in wanted else wanted
    for other, times in others.items():
        ratios = [a / b for a, b in paired(numbers, who, other, metric)]
        yield other, [times * ratio if better == jobs.LESS else times / ratio for ratio in ratios]


def judge(mark, case, numbers):
    """One line per bound: (about whom, median share, interval, verdict)."""
    for about, values in shares(mark, case, numbers):
        if not values:
            yield about, None, (None, None), "not measured"
            continue
        middle, (low, high) = stats.median(values), stats.interval(values)
        if middle <= 1 and high <= TOLERANCE:
            verdict = "met"
        elif low > 1:
            verdict = "missed"
        else:
            verdict = "undecided"
        if len(values) < ENOUGH_ROUNDS and not mark.get("once") and verdict != "undecided":
            verdict = f"undecided ({len(values)} of {ENOUGH_ROUNDS} rounds: {verdict})"
        yield about, middle, (low, high), verdict


def undecided(marks, case, numbers):
    return any(
        verdict == "undecided" for mark in marks if mark["key"] == case.key for *_, verdict in judge(mark, case, numbers)
    )
