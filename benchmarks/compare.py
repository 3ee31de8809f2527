#!/usr/bin/env python3
"""Says what got slower or faster between two runs: compare.py OLD.json NEW.json [--least 2]

Compares this library's numbers in two results files (build/bench/results/*.json). The machine's speed drifts, so where
both runs have a floor, what is compared is the ratio to the floor in the same round. A change counts when the 95 %
interval of the ratio new / old (bootstrap) excludes 1 and its median is at least `--least` per cent. Exit status 1 if
something got slower, 2 if the files cannot be compared.
"""

import argparse
import json
import pathlib
import sys

from house import contestants, jobs, marks, stats


def series(numbers, name, metric, with_floor):
    if with_floor:
        return [a / b for a, b in marks.paired(numbers, name, "floor", metric)]
    return [x[metric] for x in numbers.get(name, []) if x and x.get(metric, 0) > 0]


def changes(old, new, least):
    """Rows of (what, median of new / old oriented so that more is slower, interval, verdict)."""
    cases = {case.key: case for case in jobs.CASES}
    for key in old["cases"].keys() & new["cases"].keys() & cases.keys():
        before, after = old["cases"][key]["numbers"], new["cases"][key]["numbers"]
        for metric in cases[key].metrics:
            for name in sorted(before.keys() & after.keys() & contestants.OURS.keys()):
                with_floor = all(marks.paired(numbers, name, "floor", metric.name) for numbers in (before, after))
                a, b = (series(numbers, name, metric.name, with_floor) for numbers in (before, after))
                if not a or not b:
                    continue
                if metric.better == jobs.MORE:
                    a, b = [1 / value for value in a], [1 / value for value in b]
                middle, (low, high) = stats.median(b) / stats.median(a), stats.change_interval(a, b)
                verdict = ""
                if low > 1 and middle >= 1 + least / 100:
                    verdict = "slower"
                elif high < 1 and middle <= 1 - least / 100:
                    verdict = "faster"
                what = f"{key} {metric.label}, {contestants.label(name)}{' / floor' if with_floor else ''}"
                yield what, middle, (low, high), verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--least", type=float, default=2, help="per cent below which a change does not count")
    parser.add_argument("--all", action="store_true", help="also what did not change")
    options = parser.parse_args()
    try:
        old, new = (json.loads(path.read_text()) for path in (options.old, options.new))
        rows = sorted(changes(old, new, options.least), key=lambda row: -row[1])
    except (OSError, ValueError, KeyError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    if not rows:
        print("compare.py: the runs have no job in common", file=sys.stderr)
        return 2
    for what, middle, (low, high), verdict in rows:
        if verdict or options.all:
            print(f"{verdict or 'equal':7} {middle:5.2f} times as much ({low:.2f} – {high:.2f})  {what}")
    slower = sum(verdict == "slower" for *_, verdict in rows)
    faster = sum(verdict == "faster" for *_, verdict in rows)
    print(f"{slower} slower, {faster} faster, {len(rows) - slower - faster} within the noise")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
