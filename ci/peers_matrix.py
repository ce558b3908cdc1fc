#!/usr/bin/env python3
"""Verdicts of a plug-in as one matrix in Markdown: kernels down, labels across. ci/peers.sh runs it.

  assay check --plugin FILE --json ... | ci/peers_matrix.py
"""

import json
import sys

MARKS = {"pass": "pass", "claimed": "claimed", "fail": "**fail**", "not-runnable": "-"}


def main():
    verdicts = [v for v in json.load(sys.stdin) if ":" in v["variant"]]
    labels = list(dict.fromkeys(v["variant"].split(":", 1)[1] for v in verdicts))
    rows = {}
    for v in verdicts:
        rows.setdefault(v["kernel"], {})[v["variant"].split(":", 1)[1]] = v
    print(f"| kernel | samples | error | {' | '.join(labels)} |")
    print("|---" * (len(labels) + 3) + "|")
    for kernel, of in rows.items():
        ran = [v for v in of.values() if v["status"] != "not-runnable"]
        samples = max((v["samples"] for v in ran), default=0)
        good = [v["worst_error_over_bound"] for v in ran if v["status"] != "fail"]
        error = f"{max(good):.2g}" if good else ""
        marks = [MARKS[of[label]["status"]] if label in of else "" for label in labels]
        print(f"| `{kernel}` | {samples} | {error} | {' | '.join(marks)} |")


if __name__ == "__main__":
    main()
