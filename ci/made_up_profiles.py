#!/usr/bin/env python3
"""Writes profiles as `assay tune` does, of CPUs that nobody measured: to try `merge` and `export` on many. Every time in them is made up, and
their brands say so.

  ci/made_up_profiles.py ASSAY FOLDER [--cpus N | --like FILE ...] [--repeats N] [--kernels GLOBS] [--classes N] [--seed N]

FOLDER gets cpu<k>_<repeat>.json for k in [0, cpus): what a CPU runs follows from its features, of which there are those of ci/expected_cpus.py in
turn, or those of the files, which `assay cpu --json` wrote; repeats of one CPU differ by a noise of a percent. A profile is as large as one that
`assay tune` writes.
"""
import argparse
import fnmatch
import json
import os
import random
import subprocess

import expected_cpus

# For sizes that a contract names: some of each, as many as `assay tune` times; the last so many from cold memory.
SIZES = {
    "n": [[512], [1000], [2048], [5000], [16384], [30011], [100003], [131072], [1048576], [4194304], [131072], [4194304]],
    "rows": [[256, 256, 1], [256, 256, 64], [768, 768, 1], [768, 768, 64], [4096, 4096, 1], [4096, 4096, 128], [4096, 4096, 1]],
    "n_q": [[1, 1024, 64, 4], [64, 256, 64, 4]],
    "tokens": [[1, 8, 64, 64], [128, 8, 128, 64]],
}
COLD = {"n": 2, "rows": 1}
# What is slower than this times the fastest `assay tune` times no longer.
SLOW = 2.5
# What an ISA takes of the time of the simplest, about.
WORTH = {"scalar": 1, "x87": 1.6, "auto_v2": 0.4, "sse": 0.38, "auto_v3": 0.2, "avx2": 0.19, "jit_avx2": 0.185, "avx_vnni": 0.15,
         "auto_v4": 0.13, "avx512": 0.12, "jit_avx512": 0.118, "avx512_vnni": 0.09, "avx512_bf16": 0.1, "jit_avx512_vnni": 0.088}


def shapes_of(sizes):
    for first, shapes in SIZES.items():
        if sizes[0] == first:
            return [((s + [8] * len(sizes))[: len(sizes)], i >= len(shapes) - COLD.get(first, 0)) for i, s in enumerate(shapes)]
    raise SystemExit(f"made_up_profiles: no sizes for {sizes}")


def cpu_of(k):
    names = list(expected_cpus.FEATURES)
    name = names[k % len(names)]
    features = sorted(expected_cpus.FEATURES[name] | expected_cpus.COMMON)
    return {"vendor": "GenuineIntel", "brand": f"made up, like {name} (number {k})", "family": 6, "model": 200 + k, "stepping": 1,
                  "features": features, "xcr0": "0xe7"}


def cpu_like(path):
    with open(path, encoding="utf-8") as file:
        cpu = json.load(file)
    return {field: cpu[field] for field in ("vendor", "brand", "family", "model", "stepping", "features", "xcr0")}


def profile(variants, cpu, classes, random_of_cpu, random_of_run):
    isas = {isa for isa, needed in expected_cpus.ALL.items() if needed <= set(cpu["features"])}
    evidence, choices = {}, []
    verdict = {"status": "pass", "samples": 2000, "worst_error_over_bound": 0.25, "max_ulp": 1, "seed": 1}
    for kernel, rows in variants.items():
        runs = [v for v in rows if v["isa"] in isas]
        for v in runs:
            evidence[f"{kernel}/{v['variant']}"] = {"code": v["code"], "contract": v["contract"], "verdict": verdict}
        for shape, cold in shapes_of(rows[0]["sizes"])[:classes]:
            times = {v["variant"]: WORTH[v["isa"]] * random_of_cpu.uniform(0.8, 1.25) for v in runs}
            times = {label: t * random_of_run.uniform(0.995, 1.005) for label, t in times.items()}
            least = min(times.values())
            ratios = {
                label: [round(t / least, 4), round(t / least * 0.99, 4), round(t / least * 1.01, 4)] for label, t in times.items() if t < SLOW * least
            }
            best, runner_up = (sorted(times, key=times.get) * 2)[:2]
            timing = {"control_ratio": 1.004, "high_ns": 1010.1 * least, "limit": "L1 bandwidth", "low_ns": 990.1 * least,
                      "median_ns": 1000.1 * least, "runner_up": runner_up, "runner_up_worst_ratio": times[runner_up] / least, "shape": shape,
                      "share_of_limit": random_of_run.uniform(0.5, 0.9), "tie": False, "worst_ratio": 1.0}
            code = next(v["code"] for v in runs if v["variant"] == best)
            choices.append({"kernel": kernel, "class": "x".join(map(str, shape)) + " cold" * cold, "shape": shape, "cold": cold, "variant": best,
                            "why": f"made up: {times[runner_up] / least:.2f}x faster than {runner_up}, the runner-up", "code": code,
                            "verdict": verdict, "timing": timing, "ratios": ratios, "parameters": []})
    return {"schema_version": 5, "cpu": cpu, "date": "2026-01-01T00:00:00Z", "compiler": "made up", "evidence": evidence, "choices": choices}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assay")
    parser.add_argument("folder")
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--like", nargs="+", default=[])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--kernels", default="*")
    parser.add_argument("--classes", type=int, help="of each kernel; all: as many as assay tune times")
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    variants = {}
    for v in json.loads(subprocess.run([a.assay, "list", "--json"], check=True, stdout=subprocess.PIPE).stdout):
        if any(fnmatch.fnmatch(v["kernel"], glob) for glob in a.kernels.split(",")):
            variants.setdefault(v["kernel"], []).append(v)
    os.makedirs(a.folder, exist_ok=True)
    cpus = [cpu_like(path) for path in a.like] or [cpu_of(k) for k in range(a.cpus)]
    for k, cpu in enumerate(cpus):
        for repeat in range(a.repeats):
            text = json.dumps(profile(variants, cpu, a.classes, random.Random(f"{a.seed} {k}"), random.Random(f"{a.seed} {k} {repeat}")), separators=(",", ":"))
            with open(f"{a.folder}/cpu{k}_{repeat}.json", "w", encoding="utf-8") as file:
                file.write(text + "\n")


if __name__ == "__main__":
    main()
