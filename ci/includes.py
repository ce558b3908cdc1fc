#!/usr/bin/env python3
"""Which part of the house may include which: fails on an include that the table below does not have.

  ci/includes.py        prints each wrong include as file:line; exit status 1 if there is one

Tests (*_test.cpp) may include anything.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VARIANTS = ["kernels", "include/assay"]
# Part -> what it may include beside itself. The longest part that a path begins with is the file's.
MAY = {
    "include/assay": [],
    "kernels": ["include/assay"],  # but for trial.cpp, below
    "reference": [],
    "harness/runtime": ["kernels", "include/assay"],
    "harness/check": ["harness/runtime", "reference", *VARIANTS],
    "harness/bench": ["harness/check", "harness/runtime", *VARIANTS],
    "harness/predict": ["harness/bench", "harness/check", "harness/runtime", *VARIANTS],
    "harness/export/package": ["include/assay"],  # src/ of an export
    "harness/export": ["harness/runtime", "include/assay"],
    "harness/plugins": VARIANTS,
    "harness/cli": ["harness", "runner", "reference", "reports", *VARIANTS],
    "runner": ["harness/runtime", *VARIANTS],
    "reports": ["harness/bench", "harness/check", "harness/runtime", "include/assay"],
    "ci": ["harness", "runner", "reference", "reports", *VARIANTS],
}
TRIAL_MAY = ["harness/check", "harness/runtime", "reference", *VARIANTS]


def part_of(path):
    if path.startswith("ci/examples/"):
        return None  # as in somebody else's project
    return max((p for p in MAY if path.startswith(p + "/")), key=len, default=None)


def wrong_includes(path, text):
    part = part_of(path)
    if part is None or path.endswith("_test.cpp") or os.path.basename(path) == "testing.h":
        return
    may = TRIAL_MAY if os.path.basename(path) == "trial.cpp" else MAY[part]
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        included = "include/" + match[1] if match[1].startswith("assay/") else match[1]
        if "/" not in included:  # src/ of an export lies elsewhere when it is compiled
            included = f"{os.path.dirname(path)}/{included}"
        allowed = [part, *may, "generated"]  # what the build writes from the tables
        if not any(included.startswith(p + "/") for p in allowed):
            yield f"{path}:{number}: {part} may not include {match[1]}; it may include {', '.join(allowed)}"
        elif part == "kernels" and os.path.basename(path) != "trial.cpp":
            # Its own folder, that of the family that it is named for, or what all share.
            folder = os.path.dirname(path)
            other = os.path.dirname(included)
            if included.startswith("kernels/") and not folder.startswith(other + "_") and other not in (
                folder, os.path.dirname(folder), "kernels/shared", "kernels/formats"
            ):
                yield f"{path}:{number}: a variant includes its own kernel's headers, not {match[1]}"


def main():
    files = subprocess.run(
        ["find", *sorted({p.split("/")[0] for p in MAY}), "-name", "*.h", "-o", "-name", "*.cpp", "-o", "-name", "*.c"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    wrong = [w for f in sorted(files) for w in wrong_includes(f, open(os.path.join(ROOT, f), encoding="utf-8").read())]
    for text in wrong:
        print(text)
    print(f"{len(files)} files, {len(wrong)} wrong includes")
    sys.exit(1 if wrong or len(files) < 100 else 0)


if __name__ == "__main__":
    main()
