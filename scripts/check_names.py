#!/usr/bin/env python3
"""Checks that docs/from_python.md tells of every public name of Python's asyncio (tests/data/asyncio_names.txt).

A name counts as told when it stands in code (between backticks) on the page; of `Class.member` the member must. Where a
table says that a name is "the same" here, a header must declare it: a promise that nobody keeps is an error, too.
"""
import re
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
page = root / "docs" / "from_python.md"
word = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def names():
    for line in (root / "tests" / "data" / "asyncio_names.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line


def words_in_code(text):
    return {found for span in re.findall(r"`([^`]+)`", text) for found in word.findall(span)}


def promised(text):
    """The words in the first cell of each row whose second begins with "the same"."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if len(cells) > 3 and cells[2].startswith("the same"):
            yield from words_in_code(cells[1])


def main():
    text = page.read_text()
    told = words_in_code(text)
    wanted = list(names())
    errors = [f"{name}: not told of" for name in wanted if name.rsplit(".", 1)[-1] not in told]

    headers = "\n".join(path.read_text() for path in sorted((root / "include").rglob("*.hpp")))
    declared = set(word.findall(headers))
    members = {name.rsplit(".", 1)[-1] for name in wanted}
    for name in sorted(set(promised(text)) & members - declared):
        errors.append(f'{name}: said to be "the same" here, but no header has it')

    for error in errors:
        print(f"docs/from_python.md: {error}", file=sys.stderr)
    if errors:
        print("check_names.py: give each a row: its name here and the difference, or why there is none", file=sys.stderr)
    else:
        print(f"{len(wanted)} names of asyncio are told of")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
