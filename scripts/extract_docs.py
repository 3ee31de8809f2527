#!/usr/bin/env python3
"""Takes the C++ listings out of README.md and docs/, so that they are compiled and run with the tests.

usage: extract_docs.py ROOT OUT

A ```cpp block that contains `int main` is a program: it is compiled and run. A line before the block changes that:
  <!-- no-run -->     a program that is compiled, not run
  <!-- body -->       statements: compiled inside a coroutine, with the usual includes
  <!-- fragment -->   neither complete nor compiled; a last resort
A block that is neither a program nor marked is an error: an unchecked listing is wrong sooner or later.

Writes OUT/<page>_<line>.cpp and OUT/manifest.txt, a line `program|no-run|body <file>` for each. Files that have not
changed are left alone, so that nothing is compiled again without need.
"""
import pathlib
import re
import sys

BODY = """#include <asyncio/asyncio.hpp>
{http}#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;
{alias}
[[maybe_unused]] static asyncio::Coro<void> body() {{
#line {line} "{page}"
{code}
    co_return;
}}
"""

MARKS = ("no-run", "body", "fragment")


def blocks(text):
    """Yields (line of the first code line, mark, code) for each cpp block."""
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        fence = re.match(r"^(\s*)(`{3,})(cpp|c\+\+|C\+\+|cc|cxx)\b", lines[i])
        if not fence:
            i += 1
            continue
        before = i - 1
        while before >= 0 and not lines[before].strip():
            before -= 1
        mark = re.match(r"^\s*<!--\s*([\w-]+)\s*-->\s*$", lines[before]) if before >= 0 else None
        start = i + 1
        i = start
        while i < len(lines) and not lines[i].strip().startswith(fence[2]):
            i += 1
        indent = len(fence[1])
        yield start + 1, mark[1] if mark and mark[1] in MARKS else None, "\n".join(line[indent:] for line in lines[start:i])
        i += 1


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    root, out = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    pages = [page for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))] if page.exists()]
    has_http = (root / "include/asyncio/http.hpp").exists()
    http = '#include <asyncio/http.hpp>\n' if has_http else ""
    alias = "namespace http = asyncio::http;\n" if has_http else ""
    manifest, errors, written = [], [], set()
    for page in pages:
        relative = page.relative_to(root)
        for line, mark, code in blocks(page.read_text()):
            is_program = re.search(r"\bint\s+main\s*\(", code)
            if mark == "fragment":
                continue
            if not is_program and mark != "body":
                errors.append(f"{relative}:{line}: a listing that is no program: complete it, or put <!-- body --> "
                              "(statements) or <!-- fragment --> (not compiled) on the line before it")
                continue
            name = re.sub(r"\W+", "_", str(relative.with_suffix(""))) + f"_{line}.cpp"
            kind = ("no-run" if mark == "no-run" else "program") if is_program else "body"
            text = f'#line {line} "{page}"\n{code}\n' if is_program else BODY.format(
                http=http, alias=alias, line=line, page=page, code=code)
            write(out / name, text)
            written.add(name)
            manifest.append(f"{kind} {out / name}")
    for old in out.glob("*.cpp"):
        if old.name not in written:
            old.unlink()
    write(out / "manifest.txt", "".join(entry + "\n" for entry in manifest))
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
