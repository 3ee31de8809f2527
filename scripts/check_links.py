#!/usr/bin/env python3
"""Every relative link in the Markdown files points to a file, and every anchor to a heading: check_links.py [ROOT]"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent).resolve()
pages = sorted(root.glob("*.md")) + sorted((root / "docs").rglob("*.md"))


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.S | re.M))


def anchors(page):
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+\s+(.*)$", re.sub(r"^(`{3,}).*?^\1", "", page.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


broken = []
for page in pages:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"^[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        where = (page.parent / file).resolve() if file else page
        if not where.exists():
            broken.append(f"{page.relative_to(root)}: no such file: {target}")
        elif anchor and where.suffix == ".md" and anchor not in anchors(where):
            broken.append(f"{page.relative_to(root)}: no such heading: {target}")
print("\n".join(broken) if broken else f"links: {len(pages)} pages are sound")
sys.exit(1 if broken else 0)
