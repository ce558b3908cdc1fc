"""What ci/readmes.py takes for the same in two languages, and what it finds."""
import contextlib
import io
import pathlib
import tempfile
import unittest

import readmes

ENGLISH = """# assay
[Deutsch](README.de.md)

It has `check` and
`bench -m
FILE`, see [the reports](reports/) of 85,048 questions, 1.5 each.
- one `run`
- two

| command | what |
|---|---|
| `a \\| b` | of 5% |

```sh
tune --out x    # of this CPU
```
```c
call(x, "#1");  /* so */
```
```
$ assay chat    # asks
12  # not a comment
```
```
ci/   tests
```
![picture](a.png)
"""
GERMAN = """# assay
[English](README.md)

85,048 Fragen, je 1.5: siehe [Berichte](reports/); es gibt
`bench -m FILE` und `check`, 2 also.
- eins, `run`
- zwei

| Befehl | was |
|---|---|
| `a \\| b` | von 5% |

```sh
tune --out x  # dieser CPU
```
```c
call(x, "#1"); /* so */
```
```
$ assay chat # fragt
12  # not a comment
```
```
ci/ Tests
```
![Bild](a.png)
"""


class ReadmesTest(unittest.TestCase):
    def compared(self, translation):
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder, name) for name in ("README.md", "README.de.md")]
            for path, text in zip(paths, (ENGLISH, translation)):
                path.write_text(text, encoding="utf-8")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = readmes.main([str(path) for path in paths])
            return status, out.getvalue().splitlines()[:-1]

    def test_a_translation(self):
        self.assertEqual(self.compared(GERMAN), (0, []))

    def test_what_differs(self):
        for old, new, *found in (
            ("(README.md)", "(README.de.md)", ":2 | README.de.md:2: (other language) | (README.de.md)"),
            ("`check`", "`Check`", ":4 | README.de.md:4: `check` | `Check`"),
            ("und `check`", "und check", ":4 | README.de.md:4: `check` | nothing"),
            ("(reports/)", "(ci/)", ":4 | README.de.md:4: (reports/) | (ci/)"),
            ("85,048", "85,049", ":4 | README.de.md:4: figures 85,048 | nothing"),
            ("5%", "6%", ":12 | README.de.md:11: figures 5% | nothing"),
            ("- zwei\n", "", ":8 | README.de.md:6: item: | nothing"),
            ("# assay\n", "# assay\n## Mehr\n", ":1 | README.de.md:2: nothing | heading ##:"),
            ("| `a \\| b` | von", "| `a \\| b` | 5% | von", ":12 | README.de.md:11: row of 2: | row of 3:"),
            ("--out x", "--out y", ":15 | README.de.md:14: tune --out x # | tune --out y #"),
            ("  # dieser CPU", "", ":15 | README.de.md:14: tune --out x # | tune --out x"),
            ('"#1"', '"#2"', ':18 | README.de.md:17: call(x, "#1"); /* */ | call(x, "#2"); /* */'),
            ("# not a", "# no", ":22 | README.de.md:21: 12  # not a comment | 12  # no comment"),
            ("```sh", "```", ":14 | README.de.md:13: ```sh | ```", ":15 | README.de.md:14: tune --out x # | tune ..."),
            ("ci/", "CI/", ":25 | README.de.md:24: ci/ ... | CI/ ..."),
            ("![", "[", ":27 | README.de.md:26: !(a.png) | (a.png)"),
        ):
            with self.subTest(new=new):
                self.assertEqual(GERMAN.count(old), 1)
                self.assertEqual(self.compared(GERMAN.replace(old, new)), (1, ["README.md" + f for f in found]))

    def test_nothing_is_not_the_same(self):
        self.assertEqual(self.compared("")[0], 1)


if __name__ == "__main__":
    unittest.main()
