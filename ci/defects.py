"""Plants defects: applies edits (ci/defects/<kernel>/<isa>_<name>) to the sources of variants. The build calls it.

  ci/defects.py LIST    run in the root of the repository; a line of the file LIST: EDIT FOLDER SOURCE..., SOURCE: kernels/<kernel>/...

Writes each SOURCE, edited or not, and each other file that the edit names into FOLDER, under their own paths; files that hold that already
are left alone. Hunks before any `file:` are of the first SOURCE. What an edit holds: ci/defects/README.md. Exit status: 0 written; 1 an
edit does not hold or does not fit, and nothing of it was written; 2 wrong usage.
"""
import dataclasses
import pathlib
import sys

NEEDED = ("defect", "class", "stands for", "caught by")
CLASSES = "lengths operands integers memory floats state races gating listing masks harness".split()


class Error(Exception):
    pass


@dataclasses.dataclass
class Hunk:
    file: str
    old: list = dataclasses.field(default_factory=list)
    new: list = dataclasses.field(default_factory=list)


def parse(text, source):
    """The hunks of an edit of `source`."""
    header = {}
    hunks = []
    file = source
    hunk = None
    for number, line in enumerate(text.splitlines(), 1):
        key, colon, value = line.partition(": ")
        if line.startswith(("-", "+", " ")):
            if hunk is None:
                hunk = Hunk(file)
                hunks.append(hunk)
            if line[0] != "+":
                hunk.old.append(line[1:])
            if line[0] != "-":
                hunk.new.append(line[1:])
        elif line == "@@":
            if hunk is None:
                raise Error(f"line {number}: there is no hunk before this '@@'")
            hunk = None
        elif colon and key == "file":
            file = value
            hunk = None
        elif colon and key in (*NEEDED, "budget") and not hunks and key not in header:
            header[key] = value
        else:
            raise Error(f"line {number}: '{line}' is no line of a header or of a hunk, or is not at its place")
    for key in NEEDED:
        if not header.get(key):
            raise Error(f"there is no line '{key}: ...'")
    if header["class"] not in CLASSES:
        raise Error(f"'class: {header['class']}' is none of {', '.join(CLASSES)}")
    if header.get("budget", "large") != "large":
        raise Error(f"'budget: {header['budget']}' is not 'budget: large'")
    if not hunks:
        raise Error("there is no hunk: nothing is wrong")
    return hunks


def edited(files, hunks):
    """The files (path -> text) after all hunks, each of which is looked for in the text as it was."""
    places = {path: [] for path in files}  # path -> (first line, number of hunk)
    for number, hunk in enumerate(hunks, 1):
        if not hunk.old:
            raise Error(f"hunk {number} only inserts: it needs a line of context")
        if hunk.old == hunk.new:
            raise Error(f"hunk {number} changes nothing")
        lines = files[hunk.file].split("\n")
        found = [i for i in range(len(lines)) if lines[i : i + len(hunk.old)] == hunk.old]
        if len(found) != 1:
            old = "\n".join("  " + line for line in hunk.old)
            raise Error(f"hunk {number} fits {len(found)} times in {hunk.file}, and must fit once; it looks for\n{old}")
        places[hunk.file].append((found[0], number))
    result = {}
    for path, text in files.items():
        lines = text.split("\n")
        end = len(lines)
        for first, number in sorted(places[path], reverse=True):
            hunk = hunks[number - 1]
            if first + len(hunk.old) > end:
                raise Error(f"hunk {number} overlaps another one in {path}")
            lines[first : first + len(hunk.old)] = hunk.new
            end = first
        result[path] = "\n".join(lines)
    return result


def plant(edit, folder, *sources):
    hunks = parse(pathlib.Path(edit).read_text(encoding="utf-8"), sources[0])
    files = {}
    for path in [*sources, *(hunk.file for hunk in hunks)]:
        if not pathlib.Path(path).is_file():
            raise Error(f"there is no file {path}")
        files[path] = pathlib.Path(path).read_text(encoding="utf-8")
    result = edited(files, hunks)
    wanted = {pathlib.Path(folder) / path: text for path, text in result.items()}
    for old in pathlib.Path(folder).rglob("*"):
        if old.is_file() and old not in wanted:
            old.unlink()  # a header that is no longer edited must not be found there
    for to, text in wanted.items():
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.is_file() or to.read_text(encoding="utf-8") != text:
            to.write_text(text, encoding="utf-8")


def main(words):
    if len(words) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    status = 0
    for line in pathlib.Path(words[0]).read_text(encoding="utf-8").splitlines():
        edit, folder, *sources = line.split(" ")
        try:
            plant(edit, folder, *sources)
        except Error as error:
            print(f"{edit}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
