#!/usr/bin/env python3
"""Each rule of scripts/tidy.py finds what it is for, and leaves alone what only looks like it."""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import tidy  # noqa: E402  (the path above must come first)


class TidyRules(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.saved, tidy.ROOT = tidy.ROOT, self.root

    def tearDown(self):
        tidy.ROOT = self.saved
        self.folder.cleanup()

    def findings(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        checker = tidy.Tidy()
        checker.check(name)
        checker.check_functions([name])
        return checker.findings

    def assert_found(self, name, text, part):
        found = self.findings(name, text)
        self.assertTrue(any(part in sentence for sentence in found), found)

    def test_clean_file_has_no_finding(self):
        self.assertEqual([], self.findings("core/base/a.h", "#pragma once\nint f();\n"))

    def test_long_line(self):
        self.assert_found("spool/a.cpp", "// " + "x" * 98 + "\n", "101 columns")

    def test_long_function(self):
        body = "  ++i;\n" * 69
        self.assert_found("spool/a.cpp", "void f(int i) {\n" + body + "}\n", "f has 71 lines")
        short = "void f(int i) {\n" + "  ++i;\n" * 68 + "}\n"
        self.assertEqual([], self.findings("spool/b.cpp", short))

    def test_long_header(self):
        self.assert_found("spool/a.h", "#pragma once\n" * 251, "limit is 250")

    def test_header_without_guard(self):
        self.assert_found("spool/a.h", "int f();\n", "#pragma once")

    def test_banned_calls(self):
        for call in ("sprintf(b, x)", "atoi(s)", "std::stoi(s)", "::sleep(1)", "time(nullptr)",
                     "std::function<void()> f", "throw 1", "co_await x", "assert(x)"):
            self.assert_found("spool/a.cpp", f"void f() {{ {call}; }}\n", "banned")

    def test_names_in_comments_and_literals_are_not_calls(self):
        text = '// throw and sprintf( here\nconst char* s = "goto atoi(";\n/* rand() */\n'
        self.assertEqual([], self.findings("spool/a.cpp", text))

    def test_static_assert_and_members_are_not_banned(self):
        text = "static_assert(true);\nint f(X x) { return x.time(0) + x.exit(1); }\n"
        self.assertEqual([], self.findings("spool/a.cpp", text))

    def test_confined_library(self):
        self.assert_found("spool/a.cpp", "#include <liburing.h>\n", "net/wire")
        self.assert_found("net/wire/a.h", "#pragma once\n#include <openssl/ssl.h>\n",
                          "not in a header")
        self.assertEqual([], self.findings("net/wire/a.cpp", "#include <liburing.h>\n"))

    def test_banned_header(self):
        self.assert_found("spool/a.cpp", "#include <iostream>\n", "not for rooms")

    def test_leftover_mark(self):
        self.assert_found("spool/a.cpp", "// FIX" "ME later\n", "left-over")

    def test_local_path(self):
        self.assert_found("scripts/a.sh", "cd /home" "/someone/x\n", "local path")

    def test_hollow_assertion(self):
        self.assert_found("tests/unit/a.cpp", "void f() { EXPECT_TRUE(" "true); }\n",
                          "cannot fail")

    def test_unused_header(self):
        checker = tidy.Tidy()
        checker.included = {"core/a.h"}
        checker.check_dead_headers(["core/a.h", "core/b.h"])
        self.assertEqual(1, len(checker.findings))


if __name__ == "__main__":
    sys.exit(unittest.main())
