#!/usr/bin/env python3
"""Variants keep nothing from one call to the next: their objects hold no variable that can be written.

  ci/static_state.py OBJECT...

What is alive for an instruction alone, between two threads, no sample may ever meet. Xbyak's own and the stream library's are
left out: generators alone have them. Exit status: 0 none, 1 some, which are named.
"""
import re
import subprocess
import sys

WRITABLE = re.compile(r"\.(bss|data|tbss|tdata)\b(?!\.rel\.ro)")
OTHERS = re.compile(r"^(guard variable for )?(Xbyak::|std::__ioinit|DW\.ref\.)")


def variables(path):
    table = subprocess.run(["objdump", "--syms", "--demangle", path], check=True, capture_output=True, text=True).stdout
    for line in table.splitlines():
        # Address, seven flags, section, a tab, size, perhaps a visibility, name.
        found = re.match(r"[0-9a-f]{16} (.{7}) (\S+)\t([0-9a-f]{16}) +(?:\.hidden )?(.*)", line)
        if not found:
            continue
        flags, section, size, name = found.groups()
        is_section = "d" in flags
        if WRITABLE.match(section) and not is_section and not OTHERS.match(name):
            yield f"{name} ({int(size, 16)} bytes in {section})"


def main(paths):
    if not paths:
        print(f"static_state: no objects given\n{__doc__.strip()}", file=sys.stderr)
        return 2
    found = [(path, variable) for path in paths for variable in variables(path)]
    for path, variable in found:
        print(f"{path}: {variable}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
