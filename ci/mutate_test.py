"""What ci/mutations.py edits and leaves alone, and how ci/mutation_report.py reads what are no defects."""
import pathlib
import unittest
import unittest.mock

import mutate
import mutation_report
import mutations

CPP = """#include <x.h>  // 1 + 1
static const int kTwo[2] = {1, 2};
/* n + 1 */
void k(float* y, size_t n) {
  const char* s = "a + b // 3";
  for (size_t i = 0; i < n; ++i) {
    y[i] = y[i] * 0x1.8p1f - 2.5f;
  }
  if (n > 4 && !s) {
    y[0] = _mm_cvtss_f32(_mm_sub_ss(a, f(b, c)));
    store(y, mask_of(n - 8));
  }
}
"""
ASM = """; add 1
global k
%define N rdi + 8
k:      mov     rax, [N]       ; 3
.loop:
        fsubp   st1, st0
        jb      .loop
        ret
"""


def made(path, text):
    """(operator, the line, the edited line) of each edit."""
    return {(edit.operator, *edit.lines(text)) for edit in mutations.edits(path, text)}


class MutationsTest(unittest.TestCase):
    def test_only_quantizers_run_what_encodes(self):
        def block(*lines):
            return list(enumerate(lines, 1))

        encoder = block("// ggml's rule.", "static int q5_0_encode(uint8_t* block, const float* x) {", "}")
        helper = block("static inline int are_finite(const float* x, size_t n) {", "}")
        decoder = block("static void q5_0_values(int8_t* values, const uint8_t* block) {", "  f(are_finite(x));", "}")
        self.assertTrue(mutate.is_for_encoders("kernels/formats/q5_0.h", encoder))
        self.assertTrue(mutate.is_for_encoders("kernels/formats/format.h", helper))
        self.assertTrue(mutate.is_for_encoders("kernels/formats/search.h", decoder))
        self.assertFalse(mutate.is_for_encoders("kernels/formats/q5_0.h", decoder))
        self.assertFalse(mutate.is_for_encoders("kernels/shared/format.h", helper))

    def assert_made(self, edits, operator, old, new):
        self.assertIn((operator, old, new), edits)

    def test_cpp(self):
        found = made("kernels/k/sse.cpp", CPP)
        loop = "for (size_t i = 0; i < n; ++i) {"
        self.assert_made(found, "integer", loop, loop.replace("0;", "1;"))
        self.assert_made(found, "compare", loop, loop.replace("<", "<="))
        self.assert_made(found, "bound", loop, loop.replace("n;", "n - 1;"))
        self.assert_made(found, "step", loop, loop.replace("++i", "i += 2"))
        line = "y[i] = y[i] * 0x1.8p1f - 2.5f;"
        self.assert_made(found, "sign", line, line.replace("-", "+"))
        self.assert_made(found, "float", line, line.replace("2.5f", "2.499f"))
        self.assert_made(found, "float", line, line.replace("0x1", "-0x1"))
        self.assert_made(found, "subscript", line, line.replace("[i] *", "[0] *"))
        self.assert_made(found, "statement", line, ";")
        line = "if (n > 4 && !s) {"
        self.assert_made(found, "logic", line, line.replace("&&", "||"))
        self.assert_made(found, "logic", line, line.replace("!", ""))
        self.assert_made(found, "branch", line, "if (false && (n > 4 && !s)) {")
        line = "y[0] = _mm_cvtss_f32(_mm_sub_ss(a, f(b, c)));"
        self.assert_made(found, "operands", line, line.replace("a, f(b, c)", "f(b, c), a"))
        self.assert_made(found, "instruction", line, line.replace("sub", "add"))
        self.assert_made(found, "mask", "store(y, mask_of(n - 8));", "store(y, mask_of(n - 8 + 1));")

    def test_what_is_no_code_is_left_alone(self):
        lines = {edit.line for edit in mutations.edits("kernels/k/sse.cpp", CPP)}
        self.assertTrue({1, 3, 5}.isdisjoint(lines), lines)
        lines = {edit.line for edit in mutations.edits("kernels/k/x87.asm", ASM)}
        self.assertEqual(lines, {4, 6, 7})
        self.assertFalse(any("; 3" in old and "; 3" not in new for _, old, new in made("kernels/k/x87.asm", ASM)))

    def test_assembly(self):
        found = made("kernels/k/x87.asm", ASM)
        self.assert_made(found, "instruction", "fsubp   st1, st0", "faddp   st1, st0")
        self.assert_made(found, "register", "fsubp   st1, st0", "fsubp   st2, st0")
        self.assert_made(found, "statement", "fsubp   st1, st0", "")
        self.assert_made(found, "condition", "jb      .loop", "jae      .loop")

    def test_generators_have_registers_and_conditions(self):
        text = "  vaddps(xmm1 | k1, xmm2, xmm3);\n  jb(loop);\n"
        found = made("kernels/k/jit.h", text)
        line = "vaddps(xmm1 | k1, xmm2, xmm3);"
        self.assert_made(found, "instruction", line, line.replace("vaddps", "vsubps"))
        self.assert_made(found, "register", line, line.replace("xmm3", "xmm4"))
        self.assert_made(found, "mask", line, line.replace(" | k1", ""))
        self.assert_made(found, "condition", "jb(loop);", "jbe(loop);")
        self.assertNotIn("condition", {operator for operator, _, _ in made("kernels/k/sse.cpp", text)})

    def test_edits_are_told_apart_and_of_known_operators(self):
        for path, text in (("kernels/k/sse.cpp", CPP), ("kernels/k/jit.h", CPP), ("kernels/k/x87.asm", ASM)):
            edits = mutations.edits(path, text)
            self.assertEqual(len({(e.line, e.operator, e.number) for e in edits}), len(edits))
            self.assertLessEqual({e.operator for e in edits}, set(mutations.OPERATORS))
            for edit in edits:
                self.assertNotEqual(*edit.lines(text))


class EquivalentTest(unittest.TestCase):
    def read(self, text):
        with unittest.mock.patch.object(pathlib.Path, "read_text", lambda path, **_: text if path.name.endswith(".txt") else CPP), \
             unittest.mock.patch.object(pathlib.Path, "is_file", lambda path: path.name == "sse.cpp"), \
             unittest.mock.patch.object(mutation_report.edits_of, "__defaults__", ({},)):
            return mutation_report.read_equivalent()

    def test_entries(self):
        entries = self.read("# Of all.\n\nkernels/k/sse.cpp of k/sse l/*\n-  for (size_t i = 0; i < n; ++i) {\n"
                            "+  for (size_t i = 1; i < n; ++i) {\nThe first\nis nothing.\n")
        self.assertEqual(entries, [("kernels/k/sse.cpp", "k/sse l/*", {6}, "for (size_t i = 0; i < n; ++i) {",
                                    "for (size_t i = 1; i < n; ++i) {", "The first is nothing.")])
        record = {"id": "k/sse:kernels/k/sse.cpp:6:integer:1", "status": "survived", "file": entries[0][0],
                  "old": entries[0][3], "new": entries[0][4]}
        for variant, verdict in (("k/sse", "equivalent"), ("l/avx2", "equivalent"), ("k/avx2", "survived")):
            mutants = mutation_report.judge([{**record, "variant": variant}], entries)
            self.assertEqual(mutants[0]["verdict"], verdict, variant)
        elsewhere = {**record, "variant": "k/sse", "id": "k/sse:kernels/k/sse.cpp:9:integer:1"}
        self.assertEqual(mutation_report.judge([elsewhere], entries)[0]["verdict"], "survived")

    def test_a_line_that_stands_below_another(self):
        edit = "-  for (size_t i = 0; i < n; ++i) {\n+  for (size_t i = 1; i < n; ++i) {\nIt is nothing.\n"
        above = CPP.splitlines()[4]
        self.assertEqual(self.read(f"kernels/k/sse.cpp\n {above}\n{edit}")[0][2], {6})
        with self.assertRaisesRegex(mutation_report.Error, "stands below"):
            self.read(f"kernels/k/sse.cpp\n nothing\n{edit}")

    def test_an_edit_that_is_killed_is_not_excused(self):
        record = {"id": "k/sse:f:1:integer:1", "status": "killed", "file": "f", "old": "a", "new": "b", "seed": 2, "first_seed": 1, "variant": "k/sse"}
        self.assertEqual(mutation_report.judge([record], [("f", "*", {1}, "a", "b", "why")])[0]["verdict"], "rare")

    def test_what_is_committed_fits(self):
        mutation_report.read_equivalent()

    def test_what_fits_no_code(self):
        for text, message in (
                ("kernels/k/avx.cpp\n- a\n+ b\nWhy.\n", "must be a file"),
                ("kernels/k/sse.cpp\n- a\n+ b\n", "a reason"),
                ("kernels/k/sse.cpp\n+ a\n- b\nWhy.\n", "in turn"),
                ("kernels/k/sse.cpp\n- y[1] = 2;\n+ y[1] = 3;\nWhy.\n", "no line of kernels/k/sse.cpp has this edit any more")):
            with self.assertRaisesRegex(mutation_report.Error, message):
                self.read(text)


if __name__ == "__main__":
    unittest.main()
