#!/usr/bin/env python3
"""Verdicts of plug-ins as one matrix in Markdown: kernels down, labels across. `ci/peers.sh matrix` runs it.

  assay check --plugin FILE --json ... | ci/peers_matrix.py

Where several plug-ins have the kernel, each has a row, with its name.
"""

import json
import sys

MARKS = {"pass": "pass", "claimed": "claimed", "fail": "**fail**", "not-runnable": "-"}


def main():
    verdicts = [v for v in json.load(sys.stdin) if ":" in v["variant"]]
    rows, plugins = {}, {}
    labels = []
    for v in verdicts:
        plugin, label = v["variant"].split(":", 1)
        rows.setdefault((v["kernel"], plugin), {})[label] = v
        plugins.setdefault(v["kernel"], set()).add(plugin)
        labels += [label] if label not in labels else []
    print(f"| kernel | samples | error | {' | '.join(labels)} |")
    print("|---" * (len(labels) + 3) + "|")
    for (kernel, plugin), of in sorted(rows.items()):
        ran = [v for v in of.values() if v["status"] != "not-runnable"]
        samples = max((v["samples"] for v in ran), default=0)
        good = [v["worst_error_over_bound"] for v in ran if v["status"] != "fail"]
        error = f"{max(good):.2g}" if good else ""
        marks = [MARKS[of[label]["status"]] if label in of else "" for label in labels]
        name = f"`{kernel}`" + (f" ({plugin})" if len(plugins[kernel]) > 1 else "")
        print(f"| {name} | {samples} | {error} | {' | '.join(marks)} |")


if __name__ == "__main__":
    main()
