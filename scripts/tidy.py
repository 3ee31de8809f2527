#!/usr/bin/env python3
"""Checks the rules of the house that a program can check; each message says what to do instead.

usage: tidy.py [--root DIR] [--no-compiler] [--ratchet] [--warnings]

  --root DIR      the tree to check (default: this project)
  --no-compiler   leave out the checks that run a compiler (what the umbrella headers pull in)
  --ratchet       lower the numbers in scripts/tidy_ratchet.txt to what they are now, drop what is mended
  --warnings      print also what is only worth a look (sizes near their limits)

Exit status 1 if a rule is broken. The rules, by the name in each message:
  layer      an include points to the same or a lower layer: base < core < task, sync < net, process, files < http;
             proto includes base alone; nobody includes testing
  detail     sync and what is above it use public headers of core and task only
  kernel     headers of the kernel and of C libraries stand only where they belong, never in public headers
  heavy      public headers include nothing that is slow to compile
  size       headers up to 800 lines, sources 1200, functions 70; older offenders are listed and may only shrink
  doc        a public awaitable function says Suspends, Cancel and Threads; a public type or function says what it is
  once       each public type is defined in one public header
  text       no unfinished work, no disabled code, no tabs, no long lines, `#pragma once` in headers
"""

import argparse
import collections
import dataclasses
import pathlib
import re
import subprocess
import sys

# --- the house ------------------------------------------------------------------------------------------------------

LAYERS = {"base": 0, "core": 1, "time": 1, "task": 2, "sync": 2, "net": 3, "process": 3, "files": 3, "tls": 3, "http": 4}
LAYERS |= {"interop": 3}  # opt-in headers for other libraries
LAYERS |= {"backend": 1, "detail": 2}  # folders of src/; src/detail is private to src/, and open to all of it
SIDEWAYS = {"net", "process", "files"}
SIDEWAYS_ALLOWED = {("process", "net")}  # the pipes of a subprocess are streams
PROTO_USERS = {"http", "testing", "debug", "proto"}
EVERYTHING_USERS = {"testing", "debug"}

# What may be included where, by regular expression: (header, folders of src/ that may, why or what instead).
KERNEL_HEADERS = [
    (r"sys/(epoll|timerfd|eventfd|signalfd|poll|select)\.h|poll\.h|liburing.*|linux/io_uring\.h|linux/.*", {"backend"},
     "what waits or moves data goes through the backend (asyncio/core/backend.hpp)"),
    (r"netdb\.h", {"base", "net"}, "use asyncio/net/resolver.hpp"),
    (r"sys/(socket|un|uio|sendfile)\.h|netinet/.*|arpa/.*|net/if\.h|ifaddrs\.h",
     {"backend", "net", "process", "files", "tls"}, "use the types of asyncio/net/"),
    (r"openssl/.*", {"tls"}, "OpenSSL stays behind src/tls"),
    (r"ares\.h", {"net"}, "c-ares stays behind src/net/cares_resolver.cpp"),
    (r"llhttp\.h", {"proto"}, "llhttp stays behind the codec of src/proto"),
    (r"(fmt|CLI)/.*", set(), "only tools use fmt and CLI11"),
    (r"unistd\.h|fcntl\.h|signal\.h|pthread\.h|dirent\.h|sched\.h|sys/.*|termios\.h|dlfcn\.h|execinfo\.h|elf\.h",
     None, "include it in a file of src/"),
]  # fmt: skip
HEAVY_HEADERS = {"iostream", "istream", "ostream", "fstream", "sstream", "iomanip", "regex", "format", "print", "locale",
                 "filesystem", "random", "future", "thread", "ranges"}  # fmt: skip

HEADER_WARN, HEADER_MAX = 400, 800
SOURCE_WARN, SOURCE_MAX = 800, 1200
FUNCTION_MAX = 70
LINE_MAX = 110

# Functions that are awaited although their result type, often `auto`, does not say so.
AWAITED = {"sleep", "sleep_until", "gather", "wait", "wait_for", "try_wait_for", "shield", "to_thread", "with", "run_in_executor"}

SOURCE_FOLDERS = ("include", "src", "tools", "tests", "examples", "benchmarks")
RATCHET = "scripts/tidy_ratchet.txt"


@dataclasses.dataclass(order=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


# --- reading C++, roughly -------------------------------------------------------------------------------------------


def blank(text):
    """The text with comments, strings and preprocessor lines blanked out, line breaks and length kept."""
    keep_lines = lambda m: re.sub(r"[^\n]", " ", m[0])
    text = re.sub(
        r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])\'(?:\\.|[^\'\\\n])+\'', keep_lines, text,
        flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", keep_lines, text, flags=re.M)


@dataclasses.dataclass
class Declaration:
    head: str  # from the end of the previous declaration to `;` or `{`, one line
    line: int  # of its first character
    end_line: int  # of the closing brace, if it has a body
    has_body: bool
    scopes: tuple  # enclosing (kind, name, access), outermost first

    def is_public(self):
        return all(name != "detail" and access == "public" for _, name, access in self.scopes)

    def kind(self):
        head = re.sub(r"\[\[.*?\]\]|\balignas\s*\([^)]*\)", " ", self.head)
        head = strip_templates(head)
        if re.match(r"^(inline )?namespace\b", head):
            return "namespace"
        if re.match(r"^(typedef |friend )?(class|struct|union|enum)\b", head):
            return "type"
        if re.match(r"^(using|typedef|static_assert|extern|friend|concept|public|private|protected)\b", head):
            return "other"
        if "(" in head and not re.match(r"^[\w:<>,\s*&]*=", head):
            return "function"
        return "other"

    def name(self):
        head = strip_templates(re.sub(r"\[\[.*?\]\]|\balignas\s*\([^)]*\)|\bASYNCIO_[A-Z_]+(\([^)]*\))?", " ", self.head))
        if self.kind() == "type":
            match = re.match(r"^(?:typedef |friend )?(?:class|struct|union|enum class|enum)\s+([\w:]+(?:<.*?>)?)", head)
            return match[1] if match else ""
        head = re.sub(r"\b(decltype|noexcept)\s*\([^()]*\)", " ", head)
        match = re.search(r"(operator\s*\S+?|~?[\w:]+)\s*\(", head)
        return match[1] if match else ""


def after_brackets(text, pairs="<>"):
    """What follows the bracket that closes the one `text` begins with."""
    depth = 0
    for i, character in enumerate(text):
        depth += {pairs[0]: 1, pairs[1]: -1}.get(character, 0)
        if depth == 0:
            return text[i + 1 :].lstrip()
    return ""


def strip_templates(head):
    """Drops leading `template <...>` and `requires ...` clauses."""
    head = head.strip()
    while re.match(r"template\s*<", head):
        head = after_brackets(head[head.index("<") :])
        constraint = re.match(r"requires\b\s*", head)
        while constraint:
            head = head[constraint.end() :]
            name = re.match(r"!?[\w:]*", head)
            head = head[name.end() :].lstrip()
            if head.startswith("<"):
                head = after_brackets(head)
            if head.startswith("(") and not name[0].strip("!"):
                head = after_brackets(head, "()")
            constraint = re.match(r"(&&|\|\|)\s*", head)
    return head


def declarations(text):
    """All declarations at namespace and class scope, with the functions' extents. What is inside functions is skipped."""
    code = blank(text)
    found, scopes, start, i = [], [], 0, 0
    line_of = [0]
    for character in code:
        line_of.append(line_of[-1] + (character == "\n"))
    line = lambda at: line_of[at] + 1

    def head_between(a, b):
        raw = code[a:b]
        return re.sub(r"\s+", " ", raw).strip(), a + len(raw) - len(raw.lstrip())

    while i < len(code):
        character = code[i]
        if character in "([":
            i = matching(code, i)
        elif character == "{":
            head, at = head_between(start, i)
            declaration = Declaration(head, line(at), line(at), True, tuple(scopes))
            kind = declaration.kind()
            if kind in ("namespace", "type") and head:
                found.append(declaration)
                name = declaration.name() if kind == "type" else (head.split("namespace")[-1].strip() or "detail")
                access = "private" if kind == "type" and re.search(r"\bclass\b", strip_templates(head)[:12]) and "enum" not in head else "public"
                if kind == "type" and re.search(r"\benum\b", strip_templates(head)[:12]):
                    end = matching(code, i)
                    i = end
                else:
                    scopes.append((kind, name, access))
                    start = i + 1
            elif not head:
                scopes.append(("block", "", "public"))
                start = i + 1
            else:
                end = matching(code, i)
                # A brace that initialises (member initialisers, default arguments, variables) does not end a declaration.
                after = re.match(r"\s*([;,{(=&]|:(?!:)|$)?", code[end + 1 : end + 200])
                rest = after[1] if after else None
                if kind == "function" and rest not in (",", "{") and not re.search(r"=\s*$", head):
                    declaration.end_line = line(end)
                    found.append(declaration)
                    start = end + 1
                i = end
        elif character == "}":
            if scopes:
                scopes.pop()
            start = i + 1
        elif character == ";":
            head, at = head_between(start, i)
            if head:
                found.append(Declaration(head, line(at), line(i), False, tuple(scopes)))
            start = i + 1
        elif character == ":" and scopes and scopes[-1][0] == "type":
            label = re.search(r"\b(public|protected|private)\s*$", code[start:i])
            if label:
                scopes[-1] = (scopes[-1][0], scopes[-1][1], label[1])
                start = i + 1
        i += 1
    return found


def matching(code, at):
    """The place of the bracket that closes the one at `at` (the end of the text if there is none)."""
    closing = {"(": ")", "[": "]", "{": "}"}[code[at]]
    opening, depth = code[at], 0
    for i in range(at, len(code)):
        if code[i] == opening:
            depth += 1
        elif code[i] == closing:
            depth -= 1
            if depth == 0:
                return i
    return len(code) - 1


# --- the checks -----------------------------------------------------------------------------------------------------


class Tidy:
    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.findings, self.warnings = [], []
        self.big_functions = {}  # (path, name) -> (lines, line)
        self.type_places = collections.defaultdict(list)

    def say(self, path, line, rule, message):
        self.findings.append(Finding(str(path), line, rule, message))

    def files(self):
        for folder in SOURCE_FOLDERS:
            for path in sorted((self.root / folder).rglob("*")):
                if path.suffix in (".hpp", ".cpp", ".h") and path.is_file():
                    yield path

    def run(self):
        for path in self.files():
            relative = path.relative_to(self.root)
            text = path.read_text(errors="replace")
            lines = text.splitlines()
            self.check_text(relative, text, lines)
            self.check_size(relative, lines)
            if relative.parts[0] in ("include", "src"):
                self.check_includes(relative, lines)
            if relative.parts[0] in ("include", "src", "tools"):
                declared = declarations(text)
                self.check_functions(relative, declared)
                if relative.parts[0] == "include" and "detail" not in relative.parts:
                    self.check_docs(relative, declared, lines)
                    self.note_types(relative, declared)
        for path in sorted((self.root / "scripts").glob("*")) + sorted((self.root / "docs").rglob("*.md")):
            if path.is_file() and path.name != "tidy.py":
                self.check_unfinished(path.relative_to(self.root), path.read_text(errors="replace").splitlines())
        self.check_once()
        self.check_ratchet()

    # text

    def check_unfinished(self, relative, lines):
        for number, line in enumerate(lines, 1):
            if re.search(r"\bFIXME\b|\bXXX\b|TODO\(now\)", line):
                self.say(relative, number, "text", "unfinished work: finish it, or write TODO(soon|someday|perf): and what")

    def check_text(self, relative, text, lines):
        self.check_unfinished(relative, lines)
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*#\s*if\s+0\b", line):
                self.say(relative, number, "text", "disabled code: remove it, git keeps it")
            if "\t" in line:
                self.say(relative, number, "text", "a tab: run scripts/format.sh --fix")
            if len(line) > LINE_MAX and "://" not in line and 'R"' not in line:
                self.say(relative, number, "text", f"{len(line)} columns, {LINE_MAX} at most: break the line")
        if relative.suffix == ".hpp" and "#pragma once" not in text:
            self.say(relative, 1, "text", "a header begins with #pragma once")
        if not re.match(r"^[a-z0-9_.]+$", relative.name):
            self.say(relative, 1, "text", "file names are snake_case")
        if text and not text.endswith("\n"):
            self.say(relative, len(lines), "text", "no line break at the end of the file: run scripts/format.sh --fix")

    # sizes

    def check_size(self, relative, lines):
        if relative.parts[0] == "tests":
            return
        warn, most = (HEADER_WARN, HEADER_MAX) if relative.suffix == ".hpp" else (SOURCE_WARN, SOURCE_MAX)
        if len(lines) > most:
            self.say(relative, 1, "size", f"{len(lines)} lines, {most} at most: split it by idea, one file each")
        elif len(lines) > warn:
            self.warnings.append(Finding(str(relative), 1, "size", f"{len(lines)} lines: would two files read better?"))

    def check_functions(self, relative, declared):
        for declaration in declared:
            length = declaration.end_line - declaration.line + 1
            if declaration.has_body and declaration.kind() == "function" and length > FUNCTION_MAX:
                key = (str(relative), declaration.name())
                self.big_functions[key] = max(self.big_functions.get(key, (0, 0)), (length, declaration.line))

    def check_ratchet(self, rewrite=False):
        path = self.root / RATCHET
        listed, kept = {}, []
        for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
            entry = line.split("#")[0].split()
            if len(entry) == 3:
                listed[(entry[0], entry[1])] = (int(entry[2]), number)
            else:
                kept.append(line)
        if rewrite:
            for key, (most, _) in sorted(listed.items()):
                if key in self.big_functions:
                    kept.append(f"{key[0]} {key[1]} {min(most, self.big_functions[key][0])}")
            path.write_text("\n".join(kept) + "\n")
            return
        for (file, name), (length, line) in sorted(self.big_functions.items()):
            most = listed.get((file, name), (FUNCTION_MAX, 0))[0]
            if length > most:
                self.say(file, line, "size", f"{name}() has {length} lines, {most} at most: take a step of it into a function of its own")
            elif length < most and (file, name) in listed:
                self.say(RATCHET, listed[(file, name)][1], "size", f"{name}() has shrunk to {length}: run scripts/tidy.py --ratchet")
        for (file, name), (_, number) in listed.items():
            if (file, name) not in self.big_functions:
                self.say(RATCHET, number, "size", f"{name}() of {file} is mended: run scripts/tidy.py --ratchet")

    # includes

    def area(self, relative):
        """The folder below include/asyncio/ or src/: `net`; "" for umbrellas and other loose files."""
        parts = relative.parts[2:] if relative.parts[0] == "include" else relative.parts[1:]
        return parts[0] if len(parts) > 1 else ""

    def check_includes(self, relative, lines):
        area, public = self.area(relative), relative.parts[0] == "include"
        for number, line in enumerate(lines, 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            header = match[2]
            if header.startswith("asyncio/") or (match[1] == '"' and "/" in header):
                self.check_layer(relative, number, area, header)
                if public and not header.startswith("asyncio/"):
                    self.say(relative, number, "layer", f"a public header includes the private {header}: users do not have it")
            elif match[1] == '"':
                self.say(relative, number, "layer", f'include "{header}" by its full path, "asyncio/…" or "detail/…"')
            else:
                self.check_foreign(relative, number, area, public, header)

    def check_layer(self, relative, number, area, header):
        parts = header.split("/")
        parts = parts[1:] if parts[0] == "asyncio" else parts
        if len(parts) < 2:
            if area and relative.parts[0] == "include":
                self.say(relative, number, "layer", f"include what is used, not the umbrella {header}")
            return
        target = parts[0]
        if target == "testing" and area not in ("testing", ""):
            self.say(relative, number, "layer", "nobody includes testing: move what is needed to a lower layer")
        elif area == "" or area in EVERYTHING_USERS or target == area:
            return
        elif target == "detail" and area != "proto":
            return
        elif area == "proto":
            if target != "base":
                self.say(relative, number, "layer", f"proto is bytes in, events out: it includes base alone, not {target}; "
                         "let http/ do the rest")
        elif target == "proto":
            if area not in PROTO_USERS:
                self.say(relative, number, "layer", f"{area} does not know HTTP: only http includes proto")
        elif target in EVERYTHING_USERS:
            self.say(relative, number, "layer", f"{area} does not include {target}: give {target} a hook in {area} that it reads")
        elif target in SIDEWAYS and area in SIDEWAYS and (area, target) not in SIDEWAYS_ALLOWED:
            self.say(relative, number, "layer", f"{area} and {target} stand side by side: move what both need below them")
        elif target in LAYERS and area in LAYERS and LAYERS[target] > LAYERS[area]:
            self.say(relative, number, "layer", f"{area} is below {target}: move the common part down, or turn the "
                     "dependency round with a callback")
        if len(parts) > 2 and parts[1] == "detail" and target in ("core", "task") and LAYERS.get(area, 0) >= 2 and area not in ("task", "detail"):
            self.say(relative, number, "detail", f"{area} uses public names of {target} only: if a hook is missing from "
                     f"{target}'s public headers, add it there")

    def check_foreign(self, relative, number, area, public, header):
        for pattern, allowed, instead in KERNEL_HEADERS:
            if re.fullmatch(pattern, header):
                if public or (allowed is not None and area not in allowed) or (allowed is None and area == "proto"):
                    where = "a public header" if public else f"src/{area}"
                    self.say(relative, number, "kernel", f"<{header}> does not belong into {where}: {instead}")
                return
        if public and header in HEAVY_HEADERS and area not in ("testing", "interop"):
            self.say(relative, number, "heavy", f"<{header}> makes every user's compile slower: include it in src/ instead")

    # doc comments

    def check_docs(self, relative, declared, lines):
        described = set()  # (scopes, name) of functions with a full comment: overloads that follow need none
        for declaration in declared:
            kind = declaration.kind()
            if not declaration.is_public() or kind not in ("function", "type"):
                continue
            if re.search(r"\bfriend\b|= delete|= default", declaration.head) or (kind == "type" and not declaration.has_body):
                continue
            name, comment = declaration.name(), self.comment_above(lines, declaration.line)
            key = (declaration.scopes, name)
            result = strip_templates(re.sub(r"\[\[.*?\]\]", "", declaration.head)).split("(")[0]
            awaitable = kind == "function" and (
                re.search(r"\bCoro<|\w+(Awaiter|Awaitable)\b[^(]*\s[\w:]+$", result)
                or (name in AWAITED and self.at_namespace_scope(declaration)))
            if awaitable and not re.match(r"operator|aenter$|aexit$|return_(value|void)$|get_return_object$", name):
                absent = [word for word in ("Suspends", "Cancel", "Threads") if not re.search(rf"^{word}\b", comment, re.M)]
                if absent and key not in described:
                    self.say(relative, declaration.line, "doc", f"{name}() is awaitable: its comment must say {', '.join(absent)}")
                elif not absent:
                    described.add(key)
            elif not comment and self.at_namespace_scope(declaration) and key not in described and "operator" not in declaration.head:
                if "::" not in name and "<" not in name:
                    self.say(relative, declaration.line, "doc", f"{name} has no `///` comment: one sentence on what it gives the caller")
            if comment:
                described.add(key) if not awaitable else None

    def at_namespace_scope(self, declaration):
        return all(kind == "namespace" for kind, _, _ in declaration.scopes)

    def comment_above(self, lines, line):
        """The `///` lines directly above, without their slashes; attributes and template heads may stand between."""
        at, comment = line - 2, []
        while at >= 0 and re.match(r"^\s*(///|//(?!/))", lines[at]):
            if lines[at].strip().startswith("///"):
                comment.append(lines[at].strip()[3:].strip())
            at -= 1
        return "\n".join(reversed(comment))

    # one header for each type

    def note_types(self, relative, declared):
        for declaration in declared:
            if declaration.has_body and declaration.kind() == "type" and declaration.is_public() and self.at_namespace_scope(declaration):
                name = declaration.name()
                if name and "<" not in name:
                    space = "::".join(n for _, n, _ in declaration.scopes if n != "v1")
                    self.type_places[f"{space}::{name}"].append((relative, declaration.line))

    def check_once(self):
        for name, places in self.type_places.items():
            headers = {str(path) for path, _ in places}
            if len(headers) > 1:
                path, line = places[-1]
                self.say(path, line, "once", f"{name} is also defined in {places[0][0]}: keep one, include it in the other")

    # what the umbrellas pull in

    FORBIDDEN_BEHIND_UMBRELLA = re.compile(
        r"/(sys/epoll|sys/eventfd|sys/timerfd|sys/socket|poll|netdb|netinet/\w+|arpa/inet|liburing|linux/io_uring|openssl/\w+"
        r"|llhttp|fmt/\w+|CLI/\w+)\.h|/(iostream|regex|format|fstream)$")

    def check_umbrellas(self, compiler="g++"):
        for umbrella in ("asyncio.hpp", "http.hpp"):
            path = self.root / "include/asyncio" / umbrella
            if not path.exists():
                continue
            run = subprocess.run([compiler, "-std=c++20", "-M", "-x", "c++", "-I", str(self.root / "include"), str(path)],
                                 capture_output=True, text=True)
            relative = path.relative_to(self.root)
            if run.returncode:
                self.say(relative, 1, "heavy", f"does not compile alone: {run.stderr.strip().splitlines()[0]}")
            for header in run.stdout.replace("\\\n", " ").split():
                if self.FORBIDDEN_BEHIND_UMBRELLA.search(header):
                    self.say(relative, 1, "heavy", f"pulls in {header}: find who includes it with g++ -H, move it to src/")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--no-compiler", action="store_true")
    parser.add_argument("--ratchet", action="store_true")
    parser.add_argument("--warnings", action="store_true")
    options = parser.parse_args()
    tidy = Tidy(options.root)
    tidy.run()
    if options.ratchet:
        tidy.check_ratchet(rewrite=True)
        return 0
    if not options.no_compiler:
        tidy.check_umbrellas()
    for finding in sorted(tidy.findings) + (sorted(tidy.warnings) if options.warnings else []):
        print(finding)
    print(f"tidy: {len(tidy.findings)} finding(s)", file=sys.stderr)
    return 1 if tidy.findings else 0


if __name__ == "__main__":
    sys.exit(main())
