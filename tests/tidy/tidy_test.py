#!/usr/bin/env python3
"""Each rule of scripts/tidy.py, broken once in a small made-up tree: it is reported where it stands, and nothing else is."""
import importlib.util
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("tidy", HERE.parent.parent / "scripts/tidy.py")
tidy = importlib.util.module_from_spec(spec)
sys.modules["tidy"] = tidy
spec.loader.exec_module(tidy)

OPEN, CLOSE = "namespace asyncio { inline namespace v1 {\n", "}}  // namespace asyncio::v1\n"


def header(body):
    return "#pragma once\n" + OPEN + body + CLOSE


class TidyTest(unittest.TestCase):
    def findings(self, files):
        """The findings in a tree of these files, as `path rule` strings with what the message says."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            checker = tidy.Tidy(folder)
            checker.run()
            return sorted(checker.findings)

    def expect(self, files, *expected):
        """`expected`: regular expressions, one for each finding, in order."""
        found = [str(finding) for finding in self.findings(files)]
        self.assertEqual(len(found), len(expected), "\n".join(found))
        for text, pattern in zip(found, expected):
            self.assertRegex(text, pattern)

    def include(self, path, included, *expected):
        self.expect({path: f"#pragma once\n#include {included}\n"}, *expected)

    def test_a_clean_tree_has_no_findings(self):
        self.expect({
            "include/asyncio/task/sleep.hpp": '#pragma once\n#include "asyncio/core/coro.hpp"\n' + OPEN +
            "/// Waits.\n///\n/// Suspends always\n/// Cancel   no effect\n/// Threads  loop thread only\nCoro<void> sleep(int s);\n" + CLOSE,
            "src/task/sleep.cpp": '#include "asyncio/task/sleep.hpp"\n#include "detail/loop_impl.hpp"\n#include <iostream>\n',
        })

    def test_layers_look_down(self):
        self.include("include/asyncio/core/x.hpp", '"asyncio/task/task.hpp"', r"x\.hpp:2: layer: core is below task")
        self.include("include/asyncio/net/x.hpp", '"asyncio/task/task.hpp"')
        self.include("include/asyncio/net/x.hpp", '"asyncio/files/file.hpp"', "layer: net and files stand side by side")
        self.include("include/asyncio/net/x.hpp", '"asyncio/proto/url.hpp"', "layer: net does not know HTTP")
        self.include("include/asyncio/http/x.hpp", '"asyncio/proto/url.hpp"')
        self.include("include/asyncio/proto/x.hpp", '"asyncio/core/coro.hpp"', "layer: proto is bytes in, events out")
        self.include("include/asyncio/proto/x.hpp", '"asyncio/base/bytes.hpp"')
        self.include("src/task/x.cpp", '"asyncio/debug/trace.hpp"', "layer: task does not include debug")
        self.include("src/task/x.cpp", '"asyncio/testing/mock_clock.hpp"', "layer: nobody includes testing")
        self.include("src/testing/x.cpp", '"asyncio/http/client_session.hpp"')
        self.include("src/core/x.cpp", '"detail/loop_impl.hpp"')
        self.include("src/proto/x.cpp", '"detail/loop_impl.hpp"', "layer: proto is bytes in")
        self.include("include/asyncio/core/x.hpp", '"detail/loop_impl.hpp"', "layer: a public header includes the private")
        self.include("include/asyncio/core/x.hpp", '"asyncio/asyncio.hpp"', "layer: include what is used, not the umbrella")
        self.include("src/core/x.cpp", '"coro.hpp"', "layer: include .* by its full path")

    def test_upper_layers_use_public_headers(self):
        self.include("include/asyncio/sync/x.hpp", '"asyncio/core/detail/record.hpp"', "detail: sync uses public names of core")
        self.include("include/asyncio/task/x.hpp", '"asyncio/core/detail/record.hpp"')

    def test_kernel_headers_have_their_place(self):
        self.include("src/backend/x.cpp", "<sys/epoll.h>")
        self.include("src/net/x.cpp", "<sys/epoll.h>", r"kernel: <sys/epoll.h> does not belong into src/net")
        self.include("src/net/x.cpp", "<sys/socket.h>")
        self.include("src/task/x.cpp", "<sys/socket.h>", "kernel")
        self.include("include/asyncio/net/x.hpp", "<sys/socket.h>", "kernel: .* a public header")
        self.include("include/asyncio/net/x.hpp", "<unistd.h>", "kernel: .* a public header")
        self.include("src/task/x.cpp", "<unistd.h>")
        self.include("src/proto/x.cpp", "<unistd.h>", "kernel")
        self.include("src/net/x.cpp", "<openssl/ssl.h>", "kernel: .* OpenSSL stays behind")
        self.include("src/tls/x.cpp", "<openssl/ssl.h>")
        self.include("src/http/x.cpp", "<llhttp.h>", "kernel: .* llhttp stays behind")
        self.include("src/core/x.cpp", "<fmt/format.h>", "kernel: .* only tools use fmt")

    def test_public_headers_stay_light(self):
        self.include("include/asyncio/core/x.hpp", "<iostream>", "heavy: <iostream>")
        self.include("include/asyncio/core/x.hpp", "<string>")
        self.include("src/core/x.cpp", "<iostream>")

    def test_awaitable_functions_say_three_things(self):
        def doc(declaration, comment=""):
            return {"include/asyncio/task/x.hpp": header(comment + declaration)}

        self.expect(doc("Coro<int> f();\n", "/// Does it.\n"), r"x\.hpp:4: doc: f\(\) is awaitable: .*Suspends, Cancel, Threads")
        self.expect(doc("Coro<int> f();\n", "/// Suspends never\n/// Threads any\n"), r"must say Cancel")
        self.expect(doc("[[nodiscard]] SleepAwaiter nap(int n);\n", "/// Naps.\n"), r"nap\(\) is awaitable")
        full = "/// F.\n/// Suspends always\n/// Cancel no effect\n/// Threads any thread\n"
        self.expect(doc("Coro<int> f();\nCoro<int> f(int n);\n", full))
        self.expect(doc("template <class T>\n    requires(sizeof(T) > 1)\nCoro<T> f(T t);\n", full))
        self.expect(doc("template <class... A>\n    requires(sizeof...(A) != 1 && (!is<A, B<int>> && ...)) || C<A>\nauto gather(A a) {}\n"
                        "template <C A>\nauto gather(A a) {}\n", full))
        self.expect(doc("auto gather(int a);\n", "/// G.\n"), r"gather\(\) is awaitable")
        self.expect(doc("namespace detail {\nCoro<int> f();\n}\n"))
        body = "/// L.\nclass Lock {\n  public:\n    Coro<void> acquire();\n\n  private:\n    Coro<void> slow();\n};\n"
        self.expect(doc(body), r"x\.hpp:6: doc: acquire")

    def test_public_names_are_described(self):
        self.expect({"include/asyncio/task/x.hpp": header("struct Options {\n    int n = 0;\n};\n")}, "doc: Options has no")
        self.expect({"include/asyncio/task/x.hpp": header("int f();\n")}, "doc: f has no")
        self.expect({"include/asyncio/task/x.hpp": header("class Later;\n/// F.\nint f();\nint f(int);\n")})
        self.expect({"src/task/x.cpp": "int f() { return 1; }\n"})

    def test_a_type_is_defined_in_one_header(self):
        text = header("/// A.\nstruct A {};\n")
        self.expect({"include/asyncio/core/x.hpp": text, "include/asyncio/task/y.hpp": text}, "once: asyncio::A is also")

    def test_sizes_and_the_ratchet(self):
        long_function = "int f() {\n" + "    g();\n" * 80 + "}\n"
        self.expect({"src/core/x.cpp": long_function}, r"x\.cpp:1: size: f\(\) has 82 lines, 70 at most")
        self.expect({"src/core/x.cpp": long_function, "scripts/tidy_ratchet.txt": "# why\nsrc/core/x.cpp f 82\n"})
        self.expect({"src/core/x.cpp": long_function, "scripts/tidy_ratchet.txt": "src/core/x.cpp f 81\n"}, "82 lines, 81 at most")
        self.expect({"src/core/x.cpp": long_function, "scripts/tidy_ratchet.txt": "src/core/x.cpp f 90\n"}, "has shrunk to 82")
        self.expect({"src/core/x.cpp": "\n", "scripts/tidy_ratchet.txt": "src/core/x.cpp f 90\n"}, "is mended")
        self.expect({"include/asyncio/core/x.hpp": "#pragma once\n" + "\n" * 800}, "size: 801 lines, 800 at most")
        self.expect({"src/core/x.cpp": "\n" * 1200})
        member = "struct S {\n    int f() const noexcept {\n" + "        g();\n" * 80 + "    }\n};\n"
        self.expect({"src/core/x.cpp": member}, r"x\.cpp:2: size: f\(\) has 82 lines")
        constructor = "S::S(int a)\n    : a_(a), b_{a, 1} {\n" + "    g();\n" * 80 + "}\n"
        self.expect({"src/core/x.cpp": constructor}, r"x\.cpp:1: size: S::S\(\) has 83 lines")
        lambda_only = "auto x = [] {\n" + "    g();\n" * 80 + "};\n"
        self.expect({"src/core/x.cpp": lambda_only})

    def test_ratchet_rewrites_only_downwards(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "src/core").mkdir(parents=True)
            pathlib.Path(folder, "scripts").mkdir()
            pathlib.Path(folder, "src/core/x.cpp").write_text("int f() {\n" + "    g();\n" * 80 + "}\n")
            ratchet = pathlib.Path(folder, "scripts/tidy_ratchet.txt")
            ratchet.write_text("# why\nsrc/core/x.cpp f 90\nsrc/core/x.cpp gone 99\n")
            checker = tidy.Tidy(folder)
            checker.run()
            checker.check_ratchet(rewrite=True)
            self.assertEqual(ratchet.read_text(), "# why\nsrc/core/x.cpp f 82\n")

    def test_text(self):
        self.expect({"src/core/x.cpp": "// FIX" + "ME later\n"}, "text: unfinished work")
        self.expect({"src/core/x.cpp": "// TODO" + "(now): it\n"}, "text: unfinished work")
        self.expect({"src/core/x.cpp": "// TODO(someday): it\n"})
        self.expect({"src/core/x.cpp": "#if " + "0\n#endif\n"}, "text: disabled code")
        self.expect({"src/core/x.cpp": "\tint a;\n"}, "text: a tab")
        self.expect({"src/core/x.cpp": "// " + "x" * 108 + "\n"}, "text: 111 columns")
        self.expect({"src/core/x.cpp": "// https://" + "x" * 108 + "\n"})
        self.expect({"src/core/x.cpp": "int a;"}, "text: no line break at the end")
        self.expect({"include/asyncio/core/x.hpp": "int a;\n"}, "text: a header begins with #pragma once")
        self.expect({"src/core/CamelCase.cpp": "\n"}, "text: file names are snake_case")


if __name__ == "__main__":
    unittest.main()
