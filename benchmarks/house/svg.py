"""Charts as SVG: horizontal bars, and lines over logarithmic axes. Light background, labels at the data, no legend."""

import math
from html import escape

FONT = "font-family='-apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
INK, FAINT, GRID = "#1f2328", "#656d76", "#e6e8eb"
COLOURS = {"ours": "#0b62c4", "floor": "#9aa4af", "rival": "#c9a26a"}
DASHES = ["", " stroke-dasharray='2 4'", " stroke-dasharray='8 4'"]  # of variants of this library
LINES = ["#c2602d", "#2c8a4b", "#8250df", "#b88700", "#c0398a", "#1b8a9a", "#7a5c3e", "#5f6b7a"]


def text(x, y, words, size=13, colour=INK, anchor="start", weight="normal"):
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{colour}' text-anchor='{anchor}' font-weight='{weight}' {FONT}>{escape(words)}</text>"


def write(path, width, height, title, body):
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' role='img' aria-label='{escape(title, quote=True)}'>"
    path.write_text("\n".join([head, f"<rect width='{width}' height='{height}' rx='6' fill='#ffffff'/>", *body, "</svg>"]) + "\n")


def bar_chart(path, title, subtitle, rows):
    """rows: (label, value, the value as text, kind: ours, floor or rival). On a logarithmic scale if a linear one would
    hide the short bars."""
    width, left, right, top, step = 760, 210, 90, 66, 28
    values = [value for _, value, _, _ in rows if value > 0]
    logarithmic = bool(values) and max(values) > 40 * min(values)
    low = min(values, default=1) / 2
    room = width - left - right

    def length(value):
        if value <= 0 or not values:
            return 0
        if logarithmic:
            return room * math.log(value / low) / math.log(max(values) / low)
        return room * value / max(values)

    scale = ", logarithmic scale" if logarithmic else ""
    body = [text(20, 28, title, 16, weight="600"), text(20, 48, subtitle + scale, 12, FAINT)]
    for i, (label, value, said, kind) in enumerate(rows):
        y = top + i * step
        weight = "600" if kind == "ours" else "normal"
        body.append(text(left - 10, y + 15, label, 13, anchor="end", weight=weight))
        body.append(f"<rect x='{left}' y='{y}' width='{max(length(value), 1):.1f}' height='20' rx='2' fill='{COLOURS[kind]}'/>")
        body.append(text(left + max(length(value), 1) + 7, y + 15, said, 13, weight=weight))
    write(path, width, top + len(rows) * step + 14, title, body)


def decades(low, high):
    return range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)


def short(value):
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def line_chart(path, title, x_label, y_label, series, ours, floor, rivals):
    """series: label -> [(x, y), …], drawn over logarithmic axes and labelled at their right ends. `rivals` is all labels
    there may be, so that a rival has the same colour everywhere."""
    width, height, left, right, top, bottom = 760, 430, 64, 190, 66, 52
    points = [p for line in series.values() for p in line if p[0] > 0 and p[1] > 0]
    if not points:
        return
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    x_low, x_high, y_low, y_high = min(xs), max(xs) * 1.0001, min(ys) / 1.3, max(ys) * 1.3

    def place(x, y):
        return (left + (width - left - right) * math.log(x / x_low) / math.log(x_high / x_low),
                height - bottom - (height - top - bottom) * math.log(y / y_low) / math.log(y_high / y_low))  # fmt: skip

    body = [text(20, 28, title, 16, weight="600"), text(20, 48, f"{y_label}, logarithmic scales", 12, FAINT)]
    for power in decades(y_low, y_high):
        for factor in (1, 2, 5) if y_high / y_low < 50 else (1,):
            value = factor * 10**power
            if y_low <= value <= y_high:
                _, y = place(x_low, value)
                body.append(f"<line x1='{left}' y1='{y:.1f}' x2='{width - right}' y2='{y:.1f}' stroke='{GRID}'/>")
                body.append(text(left - 8, y + 4, short(value), 12, FAINT, "end"))
    for power in decades(x_low, x_high):
        if x_low <= 10**power <= x_high:
            x, _ = place(10**power, y_low)
            body.append(text(x, height - bottom + 20, short(10**power), 12, FAINT, "middle"))
    body.append(text((left + width - right) / 2, height - 12, x_label, 12, FAINT, "middle"))

    labels = []
    for label, line in series.items():
        line = sorted(p for p in line if p[0] > 0 and p[1] > 0)
        if not line:
            continue
        colour = COLOURS["ours"] if label in ours else COLOURS["floor"] if label == floor else LINES[rivals.index(label) % len(LINES)]
        thick = 3 if label in ours else 1.8
        dashes = DASHES[ours.index(label) % len(DASHES)] if label in ours else ""
        places = [place(*p) for p in line]
        path_text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f"<polyline points='{path_text}' fill='none' stroke='{colour}' stroke-width='{thick}' stroke-linejoin='round'{dashes}/>")
        body += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{thick:.1f}' fill='{colour}'/>" for x, y in places]
        labels.append([places[-1][1], label, colour, places[-1]])
    # Labels at the ends of their lines, pushed apart where lines end close together.
    labels.sort()
    for i in range(1, len(labels)):
        labels[i][0] = max(labels[i][0], labels[i - 1][0] + 16)
    overflow = labels[-1][0] - (height - bottom)
    if overflow > 0:
        for i in range(len(labels) - 1, -1, -1):
            limit = height - bottom if i == len(labels) - 1 else labels[i + 1][0] - 16
            labels[i][0] = min(labels[i][0], limit)
    for y, label, colour, (x_end, y_end) in labels:
        body.append(f"<line x1='{x_end:.1f}' y1='{y_end:.1f}' x2='{width - right + 12}' y2='{y:.1f}' stroke='{colour}' stroke-width='0.7' opacity='0.6'/>")
        body.append(text(width - right + 16, y + 4, label, 12, colour, weight="600" if label in ours else "normal"))
    write(path, width, height, title, body)
