"""Every variant on a CPU of its own time, and some on the newer ones: the tests labelled `emulated`.

  ci/matrix.py check CPU ASSAY RESULTS      CPU: `native` or one of `ci/emulate.sh --list`
  ci/matrix.py summary ASSAY RESULTS [CPU...]    one table of all that was checked; CPU: those that must have been, else all

`check` asks ASSAY on that CPU what it offers, holds that and what the CPU really executes against ci/expected_cpus.py,
checks each variant that must run there, lets the shipped model add two numbers, and writes RESULTS/CPU.json.
Exit status: 0 good, 1 something failed, 2 wrong usage, 3 a package is missing: the CPU was not tried.
"""
import collections
import dataclasses
import functools
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

import bochs
import emulate
import expected_cpus as expected

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODEL = os.path.join(ROOT, "models/sums.gguf")
LIMIT = 1700  # seconds for one CPU: more is a hang, not a slow machine
ALL_CPUS = ["native", *emulate.CPUS]


# A few short shapes and some longer ones: shows that it runs there.
FEW = (12, 25)
SOME = (28, 9)  # more of both
MOST = (30, 9)
# In Bochs, where each second counts, one variant in so many is tried of the code that other CPUs check at length: what is older than the
# CPU, or all of it where an older CPU runs the same ISAs. Which follows from the commit.
OF_KNOWN_CODE = 8
# The CPU that checks at length the AVX-512 that this machine does not run: with VNNI. No newer instruction hides from the disassembler.
OF_AVX512 = "icelake"


def has_most(cpu, isa, runs_here):
    return cpu == "native" or (cpu == OF_AVX512 and expected.is_avx512(isa) and not runs_here)


def has_twin(cpu):
    """Whether an older CPU runs the same ISAs."""
    older = list(emulate.CPUS)[: list(emulate.CPUS).index(cpu)]
    return any(set(expected.ISAS[other]) == set(expected.ISAS[cpu]) for other in older)


def is_drawn(cpu, v):
    name = f"{v['kernel']}/{v['variant']}"
    known = in_bochs(cpu) and (has_twin(cpu) or expected.is_older(v["isa"], cpu)) and not has_most(cpu, v["isa"], v["runnable"])
    drawn = hashlib.sha256(f"{commit()} {cpu} {name}".encode()).digest()
    return not known or drawn[0] % OF_KNOWN_CODE == 0


@functools.cache
def commit():
    return subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()


def budget(cpu, isa, runs_here):
    """(samples, stride) that fit. The first 260 cases of most kernels are the lengths 0 to 259 in turn, longer shapes
    follow: an odd stride meets every remainder of 16, and the vectors in between. Code older than the CPU, which others check,
    only shows that it runs there."""
    if has_most(cpu, isa, runs_here):
        return MOST
    return FEW if expected.is_older(isa, cpu) or has_twin(cpu) else SOME


@dataclasses.dataclass
class Result:
    """Of one command on the CPU."""

    status: object = None  # exit status or minus signal; None: it never ended
    out: bytes = b""
    err: bytes = b""

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            return None

    def __str__(self):
        return f"status {self.status} {self.err.decode(errors='replace').strip()[-300:]}"


def run_all(cpu, commands):
    """Runs the commands on that CPU, in Bochs all in one boot. Returns (results, what went wrong)."""
    results = [Result() for _ in commands]
    if in_bochs(cpu):

        def gather(kind, index, payload):
            results[index].out += payload if kind == "O" else b""
            results[index].err += payload if kind == "E" else b""

        machine = bochs.Machine(emulate.CPUS[cpu].model, commands, [MODEL], [])
        try:
            machine.run(LIMIT, gather)
        except bochs.MachineFailed as failure:
            return results, [str(failure)]
        for result, status in zip(results, machine.statuses):
            result.status = status
        return results, [f"cut off after {LIMIT} s"] if machine.timed_out else []
    end = time.monotonic() + LIMIT
    for command, result in zip(commands, results):
        left = end - time.monotonic()
        if left <= 0:
            return results, [f"cut off after {LIMIT} s"]
        result.status, result.out, result.err = emulate.run_captured(emulate.CPUS.get(cpu), command, left)
    return results, []


def in_bochs(cpu):
    return cpu != "native" and emulate.CPUS[cpu].emulator == "bochs"


def hash_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def compiled_variants(assay):
    """The JSON of `assay list`, from this machine."""
    return json.loads(emulate.run_captured(None, [assay, "list", "--json"], LIMIT)[1])


def problems_of_the_emulator(cpu, probe):
    """It must execute what the CPU has and trap on the rest: else a variant that uses too new an instruction passes."""
    lines = [line.split() for line in probe.out.decode(errors="replace").splitlines()]
    if probe.status != 0 or not lines:
        return [f"isa_probe: {probe}"]
    must = expected.executes(cpu)
    return [
        f"the emulator {how} on {name}, and must {'run' if name in must else 'trap'}"
        for name, how in lines
        if (how == "runs") != (name in must)
    ]


def problems_of_the_features(cpu, identity):
    features = set((identity.json() or {"features": []})["features"]) - expected.COMMON
    must = expected.FEATURES[cpu]
    return [f"`assay cpu` sees {name}, which {cpu} lacks" for name in sorted(features - must)] + [
        f"`assay cpu` does not see {name}, which {cpu} has" for name in sorted(must - features)
    ]


def problems_of_the_list(cpu, listed, must):
    if listed.json() is None:
        return [f"`assay list`: {listed}"]
    return [
        f"{v['kernel']}/{v['variant']} is "
        + ("offered and must not be" if v["runnable"] else "not offered and must be")
        for v in listed.json()
        if v["runnable"] != (v["isa"] in must)
    ]


def problems_of_the_model(isa, result):
    """It must have run through `isa` alone; None: any."""
    lines = result.out.decode(errors="replace").splitlines()
    if result.status != 0 or not lines or lines[0] != "12":
        return [f"the model through {isa} answers '5+7=' with '{lines[0] if lines else ''}': {result}"]
    # Below the answer and a heading: kernel, shape, variant, why.
    used = {word for line in lines[2:] for word in line.split() if word in expected.ALL}
    if not used or (isa and used != {isa}):
        return [f"the model ran through {', '.join(sorted(used)) or 'nothing'}, and must through {isa} alone"]
    return []


def checks_of(cpu, compiled, labels):
    """What to check: (label, kernels, samples, stride). The layouts of a family share most of their code, which only the first needs
    to try at length, and the formats of a layout share all of it: what is the others' own is portable."""
    files = set()
    tiles = set()
    checks = {}
    for v in compiled:
        label = v["variant"]
        if label in labels and is_drawn(cpu, v):
            tile = (v["file"], v["layout"], label)
            file = (v["file"], label)
            own = budget(cpu, v["isa"], v["runnable"])
            plan = min(own, FEW if tile in tiles else SOME if file in files else own)
            files.add(file)
            tiles.add(tile)
            checks.setdefault((label, plan), []).append(v["kernel"])
    return [(label, kernels, *plan) for (label, plan), kernels in checks.items()]


def cells_of(cpu, isa, label, kernels, samples, result):
    """One for each of the kernels: the verdict, as `assay check --json` has it, and what is wrong with it."""
    verdicts = {v["kernel"]: v for v in result.json() or []}
    for kernel in kernels:
        none = {"status": "fail", "samples": 0, "reproduce": "", "reason": f"no verdict: {result}"}
        verdict = verdicts.get(kernel, none)
        if verdict["status"] == "pass" and verdict["samples"] != samples:
            verdict |= {"status": "fail", "reason": f"{verdict['samples']} samples were run, not {samples}"}
        problem = None
        failures = verdict.get("failures", [])
        faults = [reason for reason in failures if expected.is_fault_of_bochs(kernel, isa, reason)]
        # Each sample must have been run: it passed, or it met the fault and nothing else.
        if in_bochs(cpu) and faults and faults == failures and verdict["samples"] + len(faults) == samples:
            verdict |= {"status": "emulator-fault"}
        elif verdict["status"] != "pass":
            problem = f"{kernel}/{label}: {verdict['status']}: {verdict['reason']}"
            if verdict["reproduce"]:
                problem += f"\n    {verdict['reproduce']}" + ("" if cpu == "native" else f" --cpu {cpu}")
        yield f"{kernel}/{label}", {"status": verdict["status"], "samples": verdict["samples"]}, problem


def check(cpu, assay, folder):
    begin = time.monotonic()
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, cpu + ".json")
    if os.path.exists(path):
        os.remove(path)  # what an earlier run found is no evidence for this one
    missing = [] if cpu == "native" else emulate.missing_packages(emulate.CPUS[cpu])
    if missing:
        print(f"{cpu}: not tried: missing Debian packages: {' '.join(missing)}")
        return 3
    compiled = compiled_variants(assay)
    # An ISA may have several variants of a kernel: they go by label.
    isa_of = {v["variant"]: v["isa"] for v in compiled}
    must = [v["isa"] for v in compiled if v["runnable"]] if cpu == "native" else expected.ISAS[cpu]
    labels = [label for label in isa_of if isa_of[label] in must]

    run = [assay, "run", "--quiet", "--list-choices", "--threads", "1", "-m", MODEL, "--prompt", "5+7="]
    in_the_model = {v["isa"] for v in compiled if v["kernel"] == "add_f32"}  # what every kernel of it is written in
    jit = [label for label in labels if label.startswith("jit_") and label in in_the_model]
    commands = [[assay, "list", "--json"], [assay, "cpu", "--json"], [bochs.compiled("isa_probe")], run]
    commands += [[*run, "--force", f"*={isa}"] for isa in jit]
    checks = checks_of(cpu, compiled, labels)
    for label, kernels, samples, stride in checks:
        options = ["--samples", str(samples), "--stride", str(stride), "--jobs", "1", "--timeout", "600", "--no-stepping", "--no-shrink"]
        options += ["--keep-going"] if in_bochs(cpu) else []  # past its known fault
        commands.append([assay, "check", "--json", "--kernel", ",".join(kernels), "--variant", label, *options])
    try:
        results, problems = run_all(cpu, commands)
    except bochs.MissingPackage as missing_package:
        print(f"{cpu}: not tried: {missing_package}")
        return 3

    listed, identity, probe, best, *others = results
    problems += problems_of_the_list(cpu, listed, must)
    if cpu != "native":
        problems += problems_of_the_features(cpu, identity) + problems_of_the_emulator(cpu, probe)
    of_the_model = problems_of_the_model(None if cpu == "native" else expected.best(cpu, in_the_model), best)
    for isa, result in zip(jit, others):
        of_the_model += problems_of_the_model(isa, result)
    cells = {}
    for (label, kernels, samples, _), result in zip(checks, others[len(jit) :]):
        for name, cell, problem in cells_of(cpu, isa_of[label], label, kernels, samples, result):
            cells[name] = cell
            problems += [problem] if problem else []
    for v in listed.json() or []:
        if not v["runnable"]:
            cells.setdefault(f"{v['kernel']}/{v['variant']}", {"status": "not-runnable", "samples": 0})
    for v in compiled:
        name = f"{v['kernel']}/{v['variant']}"
        if v["variant"] in labels and not is_drawn(cpu, v):
            cells[name] = {"status": "not-drawn", "samples": 0}
    problems += of_the_model
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {
        "cpu": cpu,
        "assay": hash_of(assay),
        "model": "12" if not of_the_model else "FAILED",
        "seconds": time.monotonic() - begin,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "problems": problems,
        "cells": cells,
    }
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
    count = collections.Counter(cell["status"] for cell in cells.values())
    print(f"{cpu}: {count['pass']} variants passed, {count['fail']} failed, {count['not-runnable']} cannot run there, "
          f"{count['not-drawn']} of known code not tried, {count['emulator-fault']} met a known fault of the emulator in some samples")
    print(f"the model: {result['model']}; {result['seconds']:.0f} s, {result['cpu_seconds']:.0f} s of CPU time")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems or not count["pass"] else 0


def summary(assay, folder, needed):
    listed = compiled_variants(assay)
    compiled = [f"{v['kernel']}/{v['variant']}" for v in listed]
    build = hash_of(assay)
    tried = {}
    for cpu in ALL_CPUS:
        path = os.path.join(folder, cpu + ".json")
        if os.path.exists(path):
            with open(path) as file:
                result = json.load(file)
            if result["assay"] == build:
                tried[cpu] = result
    untried = [cpu for cpu in needed if cpu not in tried]

    def cell(cpu, name):
        found = tried[cpu]["cells"].get(name, {"status": "?"})
        samples = str(found.get("samples"))
        return {"pass": samples, "fail": "FAILED", "not-runnable": "-", "not-drawn": ".", "emulator-fault": samples + "*"}.get(
            found["status"], "?"
        )

    width = max(map(len, compiled))

    def print_row(name, text_of):
        print(f"{name:<{width}}" + "".join(f" {text_of(cpu) if cpu in tried else '?':>11}" for cpu in ALL_CPUS))

    print(f"{'variant':<{width}}" + "".join(f" {cpu:>11}" for cpu in ALL_CPUS))
    for name in compiled:
        print_row(name, lambda cpu: cell(cpu, name))
    print_row("the model's 5+7", lambda cpu: tried[cpu]["model"])
    print_row("seconds", lambda cpu: f"{tried[cpu]['seconds']:.0f}")
    print_row("CPU seconds", lambda cpu: f"{tried[cpu]['cpu_seconds']:.0f}")
    print("\na number: passed with so many samples; -: cannot run on this CPU; ?: not tried, or not with this build")
    print(f".: known code, of which one in {OF_KNOWN_CODE} is tried")
    print("*: so many samples passed, the others met a known fault of the emulator (Bochs 2.7: ties in VCVTPS2PH); no pass")
    never = [name for name in compiled if not any(cell(cpu, name).rstrip("*").isdigit() for cpu in tried)]
    # No CPU that is emulated here has these ISAs, and the one at hand has not either: that is no oversight.
    nowhere = [f"{v['kernel']}/{v['variant']}" for v in listed if v["isa"] in expected.NOWHERE and not v["runnable"]]
    print(f"variants that neither this CPU nor an emulated one can run: {len(nowhere)}" + (f" ({', '.join(nowhere)})" if nowhere else ""))
    never = [name for name in never if name not in nowhere]
    print(f"variants never run anywhere: {len(never)}" + (f" ({', '.join(never)})" if never else ""))
    failed = [f"{cpu}: {problem}" for cpu in tried for problem in tried[cpu]["problems"]]
    for text in failed:
        print(f"failed on {text}")
    if untried:
        print(f"CPUs not tried: {', '.join(untried)}")
    if failed or (never and not untried):
        return 1
    return 3 if untried else 0


def main(words):
    if len(words) == 4 and words[0] == "check" and words[1] in ALL_CPUS and os.path.isfile(words[2]):
        return check(words[1], os.path.abspath(words[2]), words[3])
    if len(words) >= 3 and words[0] == "summary" and os.path.isfile(words[1]) and set(words[3:]) <= set(ALL_CPUS):
        return summary(os.path.abspath(words[1]), words[2], words[3:] or ALL_CPUS)
    print(f"matrix: unusable arguments: {' '.join(words)}\n{__doc__.strip()}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # leaves no temporary folder behind
    sys.exit(main(sys.argv[1:]))
