#!/usr/bin/env python3
"""Holds README.md and its translation README.ko.md to the same commands.

  ci/readmes.py [ENGLISH TRANSLATION]     prints each difference with its lines in both files; exit status 1 if there is one

Both must be the same blocks in the same order: headings, paragraphs, items of lists, rows of tables with as many cells, lines of code. A block
and its translation have the same inline code and targets of links, in any order, as each language has its own order of words. Code may differ
in its comments, and a list of files in what it says of each. The translation has the figures of the English text, and may have more, where
English writes a number as a word.
"""
import collections
import difflib
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STARTS = (("```", "code"), ("#+ ", "heading"), (r"\|", "row"), (r"\s*(?:[-*]|\d+\.) ", "item"))
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
LINK = re.compile(r"(!?)\[[^]]*\]\(([^)\s]+)\)")
FIGURE = re.compile(r"[A-Za-z]*\d+(?:[.,]\d+)*%?")  # AVX2 is no 2
CELL = re.compile(r"(?<!\\)\|")
Block = collections.namedtuple("Block", "line content text")  # content: what is equal in both languages


def parts_of(text):
    """The first line, the kind and the lines of each part; those of code begin with its fence."""
    parts, open_kind = [], None
    for number, line in enumerate(text.splitlines(), 1):
        start = next((kind for pattern, kind in STARTS if re.match(pattern, line)), None)
        if open_kind == "code" and line != "```":
            parts[-1][2].append(line)
        elif open_kind == "code" or not line.strip():
            open_kind = None
        elif start or not open_kind:
            parts.append((number, start or "paragraph", [line]))
            open_kind = None if start in ("heading", "row") else start or "paragraph"
        else:
            parts[-1][2].append(line)
    return parts


def without_comment(line, language, is_session):
    """Code without a language is a session, where comments follow what is typed, or else a list of files."""
    if language == "c":
        return re.sub(r"\s*/\*.*?\*/", " /* */", line)
    if language or line.startswith("$ "):
        return re.sub(r"\s*(?<!\S)#.*", " #", line)
    return line if is_session else re.sub(r"(?<=\S) .*", " ...", line)


def blocks_of(text, other):
    """`other`: the name of the file that is this one in the other language, as links have it."""
    for line, kind, lines in parts_of(text):
        if kind == "code":
            is_session = any(code.startswith("$ ") for code in lines)
            yield Block(line, (lines[0],), "")
            for n, code in enumerate(lines[1:], line + 1):
                yield Block(n, ("code:", without_comment(code, lines[0][3:], is_session)), code)
            continue
        text = " ".join(lines)
        level = {"heading": text.split()[0], "row": f"of {len(CELL.findall(text)) - 1}"}.get(kind, "")
        spans = [f"`{' '.join(span[2].split())}`" for span in SPAN.finditer(text)]
        text = SPAN.sub("", text)
        targets = [f"{mark}({'other language' if target == other else target})" for mark, target in LINK.findall(text)]
        yield Block(line, (f"{kind} {level}".strip() + ":", *sorted(spans + targets)), text)


def differences(english, translation):
    """Of each two blocks that differ their lines, or that of the block before where there is none; and how."""
    matcher = difflib.SequenceMatcher(None, *[[block.content for block in file] for file in (english, translation)], autojunk=False)
    for tag, a, a_end, b, b_end in matcher.get_opcodes():
        for n in range(max(a_end - a, b_end - b)):
            pair = [file[begin + n] if begin + n < end else Block(file[end - 1].line if end else 0, (), "")
                    for file, begin, end in ((english, a, a_end), (translation, b, b_end))]
            contents = [collections.Counter(block.content) for block in pair]
            figures = [collections.Counter(FIGURE.findall(block.text)) for block in pair]
            if tag != "equal":
                only = [" ".join((one - two).elements()) or "nothing" for one, two in (contents, reversed(contents))]
                yield [block.line for block in pair], f"{only[0]} | {only[1]}"
            elif missing := figures[0] - figures[1]:
                yield [block.line for block in pair], f"figures {' '.join(missing)} | nothing"


def main(paths):
    names = [os.path.basename(path) for path in paths]
    files = []
    for path, other in zip(paths, reversed(names)):
        with open(path, encoding="utf-8") as file:
            files.append(list(blocks_of(file.read(), other)))
    found = list(differences(*files))
    for lines, text in found:
        print(f"{names[0]}:{lines[0]} | {names[1]}:{lines[1]}: {text}")
    print(f"{len(files[0])} blocks, {len(found)} differences")
    return 1 if found or not files[0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [os.path.join(ROOT, name) for name in ("README.md", "README.ko.md")]))
