#!/usr/bin/env python3
"""The runner calls kernels and has no arithmetic of its own: fails on a floating-point instruction in its objects that computes.

  ci/runner_arithmetic.py OBJECT...     prints each as object: function: instruction; exit status 1 if there is one

Sampling may compute, and so may the reading of hyperparameters. Moving, comparing and converting numbers is no arithmetic.
"""
import os
import re
import subprocess
import sys

MAY_COMPUTE = {"sampler.cpp.o", "architecture.cpp.o", "model_sizes.cpp.o"}
# SSE, AVX and AVX-512 by what they do and the type that they end in; x87 by name.
OPERATION = "add|sub|mul|div|sqrt|rsqrt|rcp|max|min|hadd|hsub|dp|round|addsub|reduce|scalef|fn?m(?:add|sub)[0-9]{3}|fmaddsub[0-9]{3}"
COMPUTES = re.compile(
    rf"^(?:v?(?:{OPERATION})(?:ss|sd|ps|pd|sh|ph)"
    r"|vdpbf16ps|f(?:i?(?:add|sub|subr|mul|div|divr)p?|sqrt|scale|prem1?|sin|cos|sincos|ptan|patan|yl2x(?:p1)?|2xm1|rndint|abs|chs))$"
)


def computing(path):
    """(function, instruction) of each one in an object."""
    listing = subprocess.run(
        ["objdump", "-d", "-C", "--no-show-raw-insn", path], check=True, capture_output=True, text=True
    ).stdout
    function = "?"
    for line in listing.splitlines():
        if named := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            function = named[1]
        elif instruction := re.match(r"^\s+[0-9a-f]+:\s+(\S+)(.*)$", line):
            if COMPUTES.match(instruction[1]):
                yield function, instruction[1] + instruction[2]


def main():
    objects = [p for p in sys.argv[1:] if os.path.basename(p) not in MAY_COMPUTE]
    if not objects or len(objects) == len(sys.argv) - 1:
        sys.exit("runner_arithmetic: give the objects of the runner, those that may compute among them")
    wrong = 0
    for path in objects:
        for function, instruction in computing(path):
            print(f"{os.path.basename(path)}: {function}: {instruction}")
            wrong += 1
    # That it sees arithmetic is shown by those that have it.
    for name in sorted(MAY_COMPUTE):
        if not any(any(True for _ in computing(p)) for p in sys.argv[1:] if os.path.basename(p) == name):
            print(f"{name}: no arithmetic found where there should be some: is this the runner's object?")
            wrong += 1
    print(f"{len(objects)} objects without arithmetic" if wrong == 0 else f"{wrong} faults")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
