"""What ci/defects.py writes, and what it refuses."""
import contextlib
import io
import os
import pathlib
import tempfile
import unittest

import defects

HEADER = "defect: it is wrong\nclass: lengths\nstands for: a bug\ncaught by: value\n"
SOURCE = "kernels/k/sse.cpp"
TEXT = """#include "kernels/shared/loop.h"
void k_sse() {
  load();
  add();
  store();
  add();
}
"""


class DefectsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        self.write(SOURCE, TEXT)
        self.write("kernels/shared/loop.h", "loop();\n")

    def write(self, path, text):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text(text, encoding="utf-8")

    def plant(self, text):
        """The exit status, the message and the files written."""
        self.write("sse_wrong", text)
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            self.write("list", f"sse_wrong out {SOURCE}\n")
            status = defects.main(["list"])
        out = pathlib.Path("out")
        return status, err.getvalue(), {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}

    def refused(self, text, *parts):
        status, message, files = self.plant(text)
        self.assertEqual((status, files), (1, {}))
        for part in ("sse_wrong: ", *parts):
            self.assertIn(part, message)

    def test_a_line_is_exchanged_and_one_inserted(self):
        status, message, files = self.plant(HEADER + "-  load();\n+  load_all();\n@@\n   store();\n+  store();\n")
        self.assertEqual((status, message), (0, ""))
        want = TEXT.replace("load()", "load_all()").replace("  store();\n", "  store();\n  store();\n")
        self.assertEqual(files, {SOURCE: want})

    def test_context_makes_a_hunk_fit_once(self):
        status, _, files = self.plant(HEADER + "   store();\n-  add();\n")
        self.assertEqual((status, files), (0, {SOURCE: TEXT.replace("store();\n  add();\n", "store();\n")}))

    def test_an_edited_header_is_written_beside_the_source(self):
        status, _, files = self.plant(HEADER + "file: kernels/shared/loop.h\n-loop();\n+loops();\n")
        self.assertEqual((status, files), (0, {SOURCE: TEXT, "kernels/shared/loop.h": "loops();\n"}))
        status, _, files = self.plant(HEADER + "-  load();\n")
        self.assertEqual((status, list(files)), (0, [SOURCE]), "the header of before must be gone")

    def test_a_file_line_begins_a_hunk(self):
        both = "-  load();\nfile: kernels/shared/loop.h\n-loop();\n+loops();\n"
        status, _, files = self.plant(HEADER + both)
        self.assertEqual((status, files["kernels/shared/loop.h"]), (0, "loops();\n"))
        self.assertEqual(files[SOURCE], TEXT.replace("  load();\n", ""))

    def test_a_hunk_that_fits_twice(self):
        self.refused(HEADER + "-  load();\n@@\n-  add();\n+  sub();\n", "hunk 2 fits 2 times in kernels/k/sse.cpp", "  add();")

    def test_a_hunk_that_never_fits(self):
        self.refused(HEADER + "- load();\n+  sub();\n", "hunk 1 fits 0 times in kernels/k/sse.cpp")
        self.refused(HEADER + "-  load()\n", "hunk 1 fits 0 times")

    def test_a_missing_line_of_the_header(self):
        for line in HEADER.splitlines(keepends=True):
            self.refused(HEADER.replace(line, "") + "-  load();\n", f"there is no line '{line.split(': ')[0]}: ...'")

    def test_other_mistakes(self):
        self.refused(HEADER, "there is no hunk")
        self.refused(HEADER.replace("lengths", "length") + "-  load();\n", "'class: length'")
        self.refused(HEADER + "budget: small\n-  load();\n", "'budget: small'")
        self.refused(HEADER + "+  load();\n", "hunk 1 only inserts")
        self.refused(HEADER + "   load();\n", "hunk 1 changes nothing")
        self.refused(HEADER + "@@\n-  load();\n", "line 5")
        self.refused(HEADER + "-  load();\n\n", "line 6")
        self.refused(HEADER + "-  load();\nclass: masks\n", "line 6")
        self.refused(HEADER + "-  load();\n   add();\n@@\n-  add();\n-  store();\n", "overlaps")
        self.refused(HEADER + "file: kernels/shared/none.h\n-  load();\n", "there is no file kernels/shared/none.h")


if __name__ == "__main__":
    unittest.main()
