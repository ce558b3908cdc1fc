"""Every variant on every CPU: the tests labelled `emulated`.

  ci/matrix.py check CPU ASSAY RESULTS      CPU is `native` or one of `ci/emulate.sh --list`, ASSAY the static build
  ci/matrix.py summary ASSAY RESULTS        one table of all that was checked

`check` asks ASSAY on that CPU what it offers, holds that and what the CPU really executes against the tables below, checks
each variant that must run there, lets the shipped model add two numbers, and writes RESULTS/CPU.json. Exit status: 0 good, 1 something failed, 2 wrong usage,
3 a package is missing: the CPU was not tried.
"""
import collections
import dataclasses
import hashlib
import json
import os
import resource
import sys
import time

import bochs
import emulate

MODEL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models/sums.gguf")
LIMIT = 1700  # seconds of one CPU: a hang, not a slow machine

# What each CPU must offer, no more and no less, after the vendors' manuals: ISAs of `assay list`, and by whom.
V1 = ["scalar", "x87"]
V2 = [*V1, "auto_v2", "sse"]
V3 = [*V2, "auto_v3", "avx2", "jit_avx2"]
V4 = [*V3, "auto_v4", "avx512", "jit_avx512"]
VNNI = [*V4, "avx512_vnni"]
EXPECTED = {"x86-64": V1, "conroe": V1, "nehalem": V2, "sandybridge": V2, "haswell": V3, "zen3": V3, "skylake-x": V4,
            "cannonlake": V4, "icelake": VNNI, "tigerlake": VNNI}
# ISAs that none of them has: they are checked where the machine at hand has them.
NOWHERE = ["avx512_bf16"]

# The features that set the CPUs apart, as `assay cpu --json` names them.
SSE4 = {"sse3", "ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf"}
AVX2 = {*SSE4, "avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "lzcnt"}
AVX512 = {*AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
ICELAKE = {*AVX512, "avx512_ifma", "avx512_vbmi", "avx512_vbmi2", "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq", "gfni", "vaes"}
FEATURES = {"x86-64": set(), "conroe": {"sse3", "ssse3", "cx16", "lahf"}, "nehalem": SSE4, "sandybridge": {*SSE4, "avx"},
            "haswell": AVX2, "zen3": AVX2, "skylake-x": AVX512,
            "cannonlake": {*AVX512, "avx512_ifma", "avx512_vbmi"}, "icelake": ICELAKE, "tigerlake": ICELAKE}
# Parts of x86-64 itself, or of the operating system.
COMMON = {"sse", "sse2", "xsave", "osxsave", "hypervisor"}

# What the model must run through, without a profile.
BEST = {"x86-64": ("scalar",), "conroe": ("scalar",), "nehalem": ("sse",), "sandybridge": ("sse",), "haswell": ("avx2",),
        "zen3": ("avx2",), "skylake-x": ("avx512",), "cannonlake": ("avx512",), "icelake": ("avx512", "avx512_vnni"),
        "tigerlake": ("avx512", "avx512_vnni")}


def budget(cpu, isa):
    """(samples, stride) that fit. The first 260 cases of most kernels are the lengths 0 to 259 in turn; every 5th or 13th of
    them still meets every remainder of 16. AVX-512 runs nowhere else on most hosts, so it gets the most; code older than
    the CPU, which others check, only shows that it runs there."""
    if cpu == "native" or (cpu in ("skylake-x", "icelake") and isa not in V3):
        return 280, 1
    levels = [[], V1, V2, V3, V4, VNNI]
    older = levels[levels.index(EXPECTED[cpu]) - 1]
    return (24, 13) if isa in older else (60, 5)


@dataclasses.dataclass
class Result:
    status: object = None  # exit status or minus signal; None: it never ended
    out: bytes = b""
    err: bytes = b""


def run_all(cpu, commands, inputs):
    """Runs the commands on that CPU, Bochs in one boot. Returns (results, notes)."""
    results = [Result() for _ in commands]
    end = time.monotonic() + LIMIT
    if cpu != "native" and emulate.CPUS[cpu].emulator == "bochs":
        def gather(kind, index, payload):
            results[index].out += payload if kind == "O" else b""
            results[index].err += payload if kind == "E" else b""
        machine = bochs.Machine(emulate.CPUS[cpu].model, commands, inputs, [])
        try:
            machine.run(LIMIT, gather)
        except bochs.MachineFailed as failure:
            return results, [str(failure)]
        for result, status in zip(results, machine.statuses):
            result.status = status
        return results, [f"cut off after {LIMIT} s"] if machine.timed_out else [f"booted after {machine.booted_after:.0f} s"]
    model = None if cpu == "native" else emulate.CPUS[cpu]
    for command, result in zip(commands, results):
        left = end - time.monotonic()
        if left <= 0:
            return results, [f"cut off after {LIMIT} s"]
        result.status, result.out, result.err = emulate.run_captured(model, command, left)
    return results, []


def json_of(result):
    try:
        return json.loads(result.out)
    except ValueError:
        return None


def hash_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def what_is_wrong_with_the_model(cpu, isa, result):
    """`isa`: the one that was forced, or None for the best."""
    lines = result.out.decode(errors="replace").splitlines()
    if result.status != 0 or not lines or lines[0] != "12":
        return f"the model answers '5+7=' with '{lines[0] if lines else ''}', status {result.status}: {result.err.decode(errors='replace').strip()}"
    table = [line.split() for line in lines[2:]]
    names = {word for row in table for word in row if word in VNNI or word in NOWHERE}
    allowed = {isa} if isa else set(BEST.get(cpu, names))
    if not table or not names <= allowed or not names:
        return f"the model ran through {', '.join(sorted(names)) or 'nothing'}, not {', '.join(sorted(allowed))} alone"
    return None


def what_is_wrong_with_the_emulator(cpu, probe):
    """An emulated CPU must execute the instructions that it has, and trap on all others: else a variant that uses too new an
    instruction would pass."""
    lines = [line.split() for line in probe.out.decode(errors="replace").splitlines()]
    if probe.status != 0 or not lines:
        return [f"isa_probe failed there: status {probe.status}"]
    if cpu == "native":
        return []
    must = {*FEATURES[cpu], "sse2"}
    return [f"the emulator {how} on {name}, and must {'run' if name in must else 'trap'}" for name, how in lines
            if (how == "runs") != (name in must)]


def check(cpu, assay, folder):
    begin = time.monotonic()
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, cpu + ".json")
    if os.path.exists(path):
        os.remove(path)  # what an earlier run found is no evidence for this one
    if cpu != "native":
        missing = emulate.missing_packages(emulate.CPUS[cpu])
        if missing:
            print(f"{cpu}: not tried: missing Debian packages: {' '.join(missing)}")
            return 3
    here = emulate.run_captured(None, [assay, "list", "--json"], LIMIT)
    compiled = json.loads(here[1])
    isas = list(dict.fromkeys(v["isa"] for v in compiled))
    kernels = list(dict.fromkeys(v["kernel"] for v in compiled))
    expected = [v["isa"] for v in compiled if v["runnable"]] if cpu == "native" else EXPECTED[cpu]
    to_check = [isa for isa in isas if isa in expected]
    forced = [None, *(isa for isa in to_check if isa.startswith("jit_"))]
    commands = [[assay, "list", "--json"], [assay, "cpu", "--json"], [bochs.compiled("isa_probe")]]
    for isa in forced:
        commands.append([assay, "run", "--quiet", "--list-choices", "--threads", "1", "-m", MODEL, "--prompt", "5+7=",
                         *(["--force", f"*={isa}"] if isa else [])])
    first_check = len(commands)
    for isa in to_check:
        commands.append([assay, "check", "--json", "--variant", isa, "--samples", str(budget(cpu, isa)[0]), "--stride",
                         str(budget(cpu, isa)[1]), "--jobs", "1", "--timeout", "600"])
    try:
        results, notes = run_all(cpu, commands, [MODEL])
    except bochs.MissingPackage as missing_package:
        print(f"{cpu}: not tried: {missing_package}")
        return 3

    problems = [note for note in notes if not note.startswith("booted")]
    for isa in isas:
        if cpu != "native" and isa not in NOWHERE and isa not in VNNI:
            problems.append(f"the table EXPECTED in ci/matrix.py does not know ISA {isa}: say which CPUs must offer it")
    cells = {}
    listed = json_of(results[0])
    if listed is None:
        problems.append(f"`assay list --json` failed there: status {results[0].status} {results[0].err.decode(errors='replace')}")
    for v in listed or []:
        if v["runnable"] != (v["isa"] in expected):
            problems.append(f"{v['kernel']}/{v['variant']} is {'' if v['runnable'] else 'not '}offered, and must {'not ' if v['runnable'] else ''}be: {v['reason']}")
        if not v["runnable"]:
            cells[f"{v['kernel']}/{v['variant']}"] = {"status": "not-runnable", "samples": 0}
    identity = json_of(results[1])
    if cpu != "native" and identity is not None:
        features = set(identity["features"]) - COMMON
        if features != FEATURES[cpu]:
            problems.append(f"features: unexpected {sorted(features - FEATURES[cpu])}, missing {sorted(FEATURES[cpu] - features)}")
    elif identity is None:
        problems.append("`assay cpu --json` failed there")
    problems += what_is_wrong_with_the_emulator(cpu, results[2])
    model = "answers 12"
    for isa, result in zip(forced, results[3:]):
        wrong = what_is_wrong_with_the_model(cpu, isa, result)
        if wrong:
            model = "failed"
            problems.append(wrong)
    for isa, result in zip(to_check, results[first_check:]):
        verdicts = {v["kernel"]: v for v in json_of(result) or []}
        for kernel in (v["kernel"] for v in compiled if v["isa"] == isa):
            cell = verdicts.get(kernel, {"status": "fail", "samples": 0, "reproduce": "",
                                         "reason": f"no verdict: status {result.status} {result.err.decode(errors='replace').strip()[-300:]}"})
            asked, _ = budget(cpu, isa)
            if cell["status"] == "pass" and cell["samples"] != asked:
                cell |= {"status": "fail", "reason": f"{cell['samples']} samples were run, {asked} asked for"}
            cells[f"{kernel}/{isa}"] = {"status": cell["status"], "samples": cell["samples"]}
            if cell["status"] != "pass":
                again = cell["reproduce"] + (f" --cpu {cpu}" if cpu != "native" and cell["reproduce"] else "")
                problems.append(f"{kernel}/{isa}: {cell['status']}: {cell['reason']}" + (f"\n    {again}" if again else ""))
    seconds = time.monotonic() - begin
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    with open(path, "w") as file:
        json.dump({"cpu": cpu, "assay": hash_of(assay), "seconds": seconds, "cpu_seconds": cpu_seconds, "notes": notes, "problems": problems, "model": model,
                   "cells": cells}, file, indent=1)
    count = collections.Counter(cell["status"] for cell in cells.values())
    print(f"{cpu}: {count['pass']} variants of {len(kernels)} kernels passed, {count['fail']} failed, {count['not-runnable']} cannot run "
          f"on this CPU; the model {model}; {seconds:.0f} s, {cpu_seconds:.0f} s of CPU time{''.join(', ' + note for note in notes)}")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems or not count["pass"] else 0


def summary(assay, folder):
    compiled = [f"{v['kernel']}/{v['variant']}" for v in json.loads(emulate.run_captured(None, [assay, "list", "--json"], LIMIT)[1])]
    build = hash_of(assay)
    columns = {}
    for cpu in ["native", *emulate.CPUS]:
        path = os.path.join(folder, cpu + ".json")
        if os.path.exists(path):
            with open(path) as file:
                result = json.load(file)
            if result["assay"] == build:
                columns[cpu] = result
    tried = [cpu for cpu in ["native", *emulate.CPUS] if cpu in columns]
    untried = [cpu for cpu in ["native", *emulate.CPUS] if cpu not in columns]

    def cell(name, cpu):
        if cpu not in columns:
            return "?"
        found = columns[cpu]["cells"].get(name, {"status": "none", "samples": 0})
        return {"pass": str(found["samples"]), "fail": "FAILED", "not-runnable": "-"}.get(found["status"], "?")

    width = max(map(len, compiled)) + 1
    header = f"{'variant':<{width}}" + "".join(f" {cpu:>11}" for cpu in ["native", *emulate.CPUS])
    print(header)
    for name in compiled:
        print(f"{name:<{width}}" + "".join(f" {cell(name, cpu):>11}" for cpu in ["native", *emulate.CPUS]))
    print(f"{'the model':<{width}}" + "".join(f" {'12' if columns[c]['model'] == 'answers 12' else 'FAILED':>11}" if c in columns else f" {'?':>11}"
                                              for c in ["native", *emulate.CPUS]))
    print(f"{'seconds':<{width}}" + "".join(f" {columns[c]['seconds']:>11.0f}" if c in columns else f" {'?':>11}" for c in ["native", *emulate.CPUS]))
    print(f"{'CPU time':<{width}}" + "".join(f" {columns[c]['cpu_seconds']:>11.0f}" if c in columns else f" {'?':>11}" for c in ["native", *emulate.CPUS]))
    print("\na number: passed with so many samples; -: cannot run on this CPU; ?: this CPU was not tried with this build")
    never = [name for name in compiled if not any(cell(name, cpu).isdigit() for cpu in tried)]
    failed = [f"{name} on {cpu}" for name in compiled for cpu in tried if cell(name, cpu) == "FAILED"]
    failed += [f"{cpu}: {problem}" for cpu in tried for problem in columns[cpu]["problems"]]
    print(f"variants never run anywhere: {len(never)}{' (' + ', '.join(never[:8]) + (', ...' if len(never) > 8 else '') + ')' if never else ''}")
    for text in failed:
        print(f"failed: {text}")
    if untried:
        print(f"CPUs not tried: {', '.join(untried)}")
    if failed or (never and not untried):
        return 1
    return 3 if untried else 0


def main(words):
    if len(words) == 4 and words[0] == "check" and (words[1] == "native" or words[1] in emulate.CPUS) and os.path.isfile(words[2]):
        return check(words[1], os.path.abspath(words[2]), words[3])
    if len(words) == 3 and words[0] == "summary" and os.path.isfile(words[1]):
        return summary(os.path.abspath(words[1]), words[2])
    print(f"matrix: wrong arguments {' '.join(words)}\n{__doc__.strip()}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
