#!/usr/bin/env python3
"""What the benchmarks say of numbers: verdicts of marks, changes between runs, tables and charts."""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
sys.dont_write_bytecode = True
from house import jobs, marks, report, stats, svg  # noqa: E402

SWITCH = next(case for case in jobs.CASES if case.key == "switch")


def rounds(*values):
    return [{"value": value} for value in values]


def noisy(middle, count=15, seed=3):
    draw = random.Random(seed)
    return rounds(*(middle * draw.uniform(0.99, 1.01) for _ in range(count)))


class MarksTest(unittest.TestCase):
    def verdict(self, mark, numbers):
        return [verdict for *_, verdict in marks.judge({"job": "switch", "text": ""} | mark, SWITCH, numbers)]

    def test_a_mark_is_met_when_the_median_meets_it_and_no_miss_is_large(self):
        self.assertEqual(self.verdict({"at_most": 7}, {"ours": noisy(6.9)}), ["met"])
        self.assertEqual(self.verdict({"at_least": 7}, {"ours": noisy(7.2)}), ["met"])

    def test_a_mark_is_missed_when_the_whole_interval_misses_it(self):
        self.assertEqual(self.verdict({"at_most": 7}, {"ours": noisy(7.5)}), ["missed"])
        self.assertEqual(self.verdict({"at_least": 7}, {"ours": noisy(6.5)}), ["missed"])

    def test_a_wide_interval_is_undecided(self):
        wild = rounds(*([6.0] * 8 + [9.0] * 7))
        self.assertEqual(self.verdict({"at_most": 7}, {"ours": wild}), ["undecided"])

    def test_fewer_than_fifteen_rounds_decide_nothing(self):
        self.assertEqual(self.verdict({"at_most": 7}, {"ours": noisy(5, 14)}), ["undecided (14 of 15 rounds: met)"])
        self.assertEqual(self.verdict({"at_most": 7, "once": True}, {"ours": noisy(5, 1)}), ["met"])

    def test_a_ratio_is_taken_within_a_round(self):
        # Both become twice as slow together: the ratio does not see it.
        drift = [1, 2] * 8
        numbers = {"ours": rounds(*(5 * d for d in drift)), "floor": rounds(*(2 * d for d in drift))}
        self.assertEqual(self.verdict({"floor_at_most": 2.6}, numbers), ["met"])
        self.assertEqual(self.verdict({"floor_at_most": 2.4}, numbers), ["missed"])

    def test_a_round_in_which_one_failed_counts_for_nothing(self):
        numbers = {"ours": [None, *noisy(5)], "asio": [*noisy(60), None]}
        self.assertEqual(self.verdict({"ahead_of": {"asio": 10}}, numbers), ["undecided (14 of 15 rounds: met)"])

    def test_ahead_of_each_asks_every_rival_but_not_the_floor(self):
        numbers = {"ours": noisy(5), "floor": noisy(2), "asio": noisy(70), "go": noisy(4)}
        self.assertEqual(self.verdict({"ahead_of": {"*": 1}}, numbers), ["met", "missed"])

    def test_what_did_not_run_is_not_measured(self):
        self.assertEqual(self.verdict({"ahead_of": {"go": 8}}, {"ours": noisy(5)}), ["not measured"])

    def test_the_marks_that_are_written_down_name_cases_and_metrics_that_exist(self):
        self.assertGreater(len(marks.load()), 30)


class StatsTest(unittest.TestCase):
    def test_the_interval_contains_the_median_and_shrinks_with_rounds(self):
        draw = random.Random(5)
        few, many = ([draw.gauss(100, 5) for _ in range(n)] for n in (6, 200))
        for values in (few, many):
            low, high = stats.interval(values)
            self.assertTrue(low <= stats.median(values) <= high)
        widths = [high - low for low, high in map(stats.interval, (few, many))]
        self.assertLess(widths[1], widths[0])


class CompareTest(unittest.TestCase):
    def compare(self, old, new):
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder, name) for name in ("old.json", "new.json")]
            for path, numbers in zip(paths, (old, new)):
                path.write_text(json.dumps({"cases": {"switch": {"numbers": numbers, "failures": {}}}}))
            return subprocess.run([sys.executable, BENCHMARKS / "compare.py", *paths], capture_output=True, text=True, check=False)

    def test_slower_is_said_and_fails(self):
        result = self.compare({"ours": noisy(5)}, {"ours": noisy(6, seed=4)})
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("slower", result.stdout)

    def test_faster_is_said_and_passes(self):
        result = self.compare({"ours": noisy(6)}, {"ours": noisy(5, seed=4)})
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("1 faster", result.stdout)

    def test_a_machine_that_became_slower_is_no_change(self):
        result = self.compare({"ours": noisy(5), "floor": noisy(2, seed=5)}, {"ours": noisy(10, seed=4), "floor": noisy(4, seed=6)})
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("1 within the noise", result.stdout)

    def test_runs_without_a_job_in_common_cannot_be_compared(self):
        self.assertEqual(self.compare({"ours": noisy(5)}, {"go": noisy(5)}).returncode, 2)


class ReportTest(unittest.TestCase):
    def test_a_results_file_begins_with_what_the_machine_is_and_has_a_chart_for_each_case(self):
        numbers = {"ours": noisy(5), "floor": noisy(2), "asio": noisy(70)}
        curve = {"title": "a curve", "x": "tasks", "y": "time", "file": "curve.svg", "series": {"ours": [(1000, 5.0), (10000, 6.0)]}}
        run = {"machine": {"kernel": "6"}, "versions": {}, "command": "run.py", "rounds": 15, "priority": "",
               "cases": {"switch": {"numbers": numbers, "failures": {"asio": "<it> & failed"}}}, "scaling": [curve]}  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            results, plots = pathlib.Path(folder, "RESULTS.md"), pathlib.Path(folder, "plots")
            report.write_results(run, marks.load(), results, plots)
            text = results.read_text()
            self.assertTrue(text.startswith("Two virtual cores and loopback are the machine"))
            self.assertIn("| this library |", text)
            self.assertEqual({path.name for path in plots.iterdir()}, {"switch.svg", "curve.svg"})
            for path in plots.iterdir():
                xml.parse(path)

    def test_labels_are_escaped(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "bars.svg")
            svg.bar_chart(path, "a < b & 'c'", "", [("x & y", 1.0, "1", "ours"), ("zero", 0.0, "0", "rival")])
            self.assertIn("a < b & 'c'", "".join(xml.parse(path).getroot().itertext()))


if __name__ == "__main__":
    unittest.main()
