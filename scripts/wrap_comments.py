#!/usr/bin/env python3
"""Rewraps the comments that are wider than a line may be: wrap_comments.py FILE...

clang-format would do it too, and would run the lines of a doc comment's headings into each other. A paragraph here is
lines with the same indentation and slashes, up to a heading (`Cancel  …`), a bullet, a number, or a line that is set
off by spaces; only paragraphs with a line that is too wide are touched, and keep their hanging indentation.
"""
import pathlib
import re
import sys
import textwrap

WIDTH = 110
HEADING = r"(?:Params|Returns|Throws|Suspends|Cancel|Threads|Lifetime|Cost|Python|See)\s+"
START = re.compile(rf"({HEADING}|[-*·•]\s+|\(?\d+[.)]\s+|\[\d+\]\s+|\w+:\s{{2,}})")
COMMENT = re.compile(r"^(\s*)(///|//)( ?)(.*)$")


def rewrap(lines):
    out, i = [], 0
    while i < len(lines):
        match = COMMENT.match(lines[i])
        if not match or not match[4].strip():
            out.append(lines[i])
            i += 1
            continue
        lead = match[1] + match[2]
        inner = match[3] + match[4]
        indent = len(inner) - len(inner.lstrip())
        start = START.match(inner.lstrip())
        paragraph, hang = [inner.strip()], None
        j = i + 1
        while j < len(lines):
            following = COMMENT.match(lines[j])
            if not following or following[1] + following[2] != lead or not following[4].strip():
                break
            text = following[3] + following[4]
            text_indent = len(text) - len(text.lstrip())
            if START.match(text.lstrip()) and text_indent <= indent + 1:
                break
            if hang is None and text_indent >= indent:
                hang = text_indent
            if text_indent != hang or (hang > indent and not start):
                break
            paragraph.append(text.strip())
            j += 1
        if all(len(line) <= WIDTH for line in lines[i:j]) or "://" in "".join(lines[i:j]):
            out += lines[i:j]
        else:
            if hang is None:
                hang = indent + (len(start[0]) if start else 0)
            # The first part keeps its inner spaces (a heading and its column); the rest is plain text.
            kept = start[0] if start else ""
            text = " ".join(paragraph)[len(kept) :]
            out += textwrap.wrap(text, WIDTH, initial_indent=lead + " " * indent + kept,
                                 subsequent_indent=lead + " " * hang, break_long_words=False, break_on_hyphens=False)
        i = j
    return out


for name in sys.argv[1:]:
    path = pathlib.Path(name)
    before = path.read_text()
    after = "\n".join(rewrap(before.splitlines())) + ("\n" if before else "")
    if after != before:
        path.write_text(after)
