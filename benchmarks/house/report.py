"""Tables for the terminal and for RESULTS.md, and what the machine is."""

import datetime
import os
import pathlib
import platform
import subprocess

from house import contestants, jobs, marks, stats, svg

FIRST_LINE = "Two virtual cores and loopback are the machine: read ratios within a row, not nanoseconds."


def number(value):
    if value is None:
        return "–"
    size = abs(value)
    if size >= 100_000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def first_line(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "?"
    return result.stdout.splitlines()[0].strip() if result.stdout else "?"


def machine():
    cpu = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())  # fmt: skip
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 1048576
    system = next((line.split("=")[1].strip('"') for line in pathlib.Path("/etc/os-release").read_text().splitlines()
                   if line.startswith("PRETTY_NAME")), "?")  # fmt: skip
    return {
        "machine": f"{os.cpu_count()} x {cpu}, {memory:.0f} GiB",
        "kernel": platform.release(),
        "system": system,
        "compiler": first_line([os.environ.get("CXX", "c++"), "--version"]),
        "revision": first_line(["git", "-C", str(contestants.ROOT), "describe", "--always", "--dirty"]),
        "date": datetime.date.today().isoformat(),
    }


def ratio_cell(values):
    """Median of ratios, and its interval."""
    if not values:
        return "–", "–"
    low, high = stats.interval(values)
    return f"{stats.median(values):.2f}", f"{low:.2f} – {high:.2f}"


def metric_table(case, numbers, metric):
    """Rows of one metric: contestant, median, spread, ratio to this library within the round with its interval, to the
    floor."""
    rows = []
    for name, rounds in numbers.items():
        values = [x[metric.name] for x in rounds if x and metric.name in x]
        if not values:
            continue
        to_ours = [a / b for a, b in marks.paired(numbers, name, case.ours[0], metric.name)]
        to_floor = [a / b for a, b in marks.paired(numbers, name, "floor", metric.name)]
        spread = stats.spread(values)
        rows.append((contestants.label(name), number(stats.median(values)), f"±{spread:.0%}" if spread is not None else "–",
                     *ratio_cell(to_ours), ratio_cell(to_floor)[0]))  # fmt: skip
    return rows


def mark_rows(case, numbers, all_marks):
    rows = []
    for mark in all_marks:
        if mark["key"] != case.key:
            continue
        for about, middle, (low, high), verdict in marks.judge(mark, case, numbers):
            subject = f" ({contestants.label(about)})" if about and "ahead_of" in mark else ""
            share = "–" if middle is None else f"{middle:.2f}"
            span = "–" if middle is None else f"{low:.2f} – {high:.2f}"
            rows.append((mark["text"] + subject, share, span, verdict))
    return rows


def aligned(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths)))


HEAD = ("", "median", "spread", "of ours", "95 % interval", "of floor")
MARK_HEAD = ("mark", "used", "95 % interval", "verdict")


def heading(metric):
    unit = f" [{metric.unit}]" if metric.unit else ""
    return f"{metric.label}{unit}{', more is better' if metric.better == jobs.MORE else ''}"


def print_case(case, numbers, failures, all_marks):
    print(f"\n## {case.key}: {case.title}")
    for metric in case.metrics:
        rows = metric_table(case, numbers, metric)
        if rows:
            print("\n".join(aligned([(heading(metric), *HEAD[1:]), *rows])))
    rows = mark_rows(case, numbers, all_marks)
    if rows:
        print("\n".join(aligned([MARK_HEAD, *rows])))
    for name, reason in failures.items():
        print(f"  {contestants.label(name)} failed: {reason}")


def markdown_table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def bars(case, numbers, folder):
    metric = case.metrics[0]
    values = []
    for name, rounds in numbers.items():
        found = [x[metric.name] for x in rounds if x and metric.name in x]
        if found:
            values.append((contestants.label(name), stats.median(found), "ours" if name in contestants.OURS else "floor" if name == "floor" else "rival"))
    if not values:
        return None
    values.sort(key=lambda v: v[1], reverse=metric.better == jobs.MORE)
    name = f"{case.key.replace('/', '-')}.svg"
    svg.bar_chart(folder / name, case.title, heading(metric), [(label, value, number(value), kind) for label, value, kind in values])
    return name


def write_results(run, all_marks, path, plots):
    """RESULTS.md of a whole run (what a results file holds), with a chart for each case."""
    plots.mkdir(exist_ok=True)
    lines = [FIRST_LINE, "", "# Results", ""]
    lines += [f"- {name}: {said}" for name, said in run["machine"].items()]
    lines += [f"- rivals: {', '.join(f'{name} {said}' for name, said in run['versions'].items())}", f"- command: `{run['command']}`",
              f"- rounds: {run['rounds']}; priority: {run['priority'] or 'as usual'}", "",
              "*of ours* is the contestant's number divided by this library's in the same round, the median of all rounds, with its "
              "95 % interval (bootstrap); *of floor* the same for the floor. *used* is the part of a mark's bound that is used: 1 is "
              "just met. A verdict needs 15 rounds.", ""]  # fmt: skip
    cases = {case.key: case for case in jobs.CASES}
    for key, result in run["cases"].items():
        case, numbers = cases.get(key), result["numbers"]
        if case is None:
            continue
        lines += [f"## {case.title}", "", f"`{key}`", ""]
        if case.note:
            lines += [case.note, ""]
        chart = bars(case, numbers, plots)
        if chart:
            lines += [f"![{case.title}](plots/{chart})", ""]
        for metric in case.metrics:
            rows = metric_table(case, numbers, metric)
            if rows:
                lines += [*markdown_table((heading(metric), *HEAD[1:]), rows), ""]
        rows = mark_rows(case, numbers, all_marks)
        if rows:
            lines += [*markdown_table(MARK_HEAD, rows), ""]
        lines += [f"{contestants.label(name)} failed: {reason}\n" for name, reason in result["failures"].items()]
    if run.get("scaling"):
        lines += ["## Scaling", ""]
        for curve in run["scaling"]:
            svg.line_chart(plots / curve["file"], curve["title"], curve["x"], curve["y"],
                           {contestants.label(name): points for name, points in curve["series"].items()},
                           list(contestants.OURS.values()), contestants.label("floor"), [rival.label for rival in contestants.RIVALS.values()])  # fmt: skip
            lines += [f"![{curve['title']}](plots/{curve['file']})", ""]
    path.write_text("\n".join(lines).rstrip() + "\n")
