"""Planted defects (ci/defects/) that show themselves on an emulated CPU: those of AVX-512 variants, which many hosts
cannot run.

  ci/emulated_defects.py CPU ASSAY_SELFTEST      CPU: one of PLANS

Every defect of the plan must be caught by a check that its first lines name. Exit status: 0 all were, 1 not, 2 wrong
usage, 3 a package is missing: nothing was tried.
"""
import dataclasses
import json
import os
import resource
import signal
import sys
import time

import bochs
import emulate
import matrix


@dataclasses.dataclass(frozen=True)
class Plan:
    glob: str  # of the defects that are run
    options: tuple  # of `selftest`
    needs: dict  # what must be among the caught: a kind of defect -> the defects that stand for it
    elsewhere: tuple = ()  # defects that so few samples on one processor need not show, and no CPU's instructions either


PLANS = {
    # The first cases are the short lengths: every 5th meets the tails that masks are for.
    "icelake": Plan(
        glob="*avx512*",
        options=("--seeds", "1", "--samples", "60", "--stride", "5", "--timeout", "60"),
        needs={
            "a mask off by one": ["mul_f32/avx512!mask_off_by_one", "rms_norm_f32/jit_avx512!mask_one_short"],
            "merging where zeroing is meant": ["dot_f32/avx512!merges_stale_lanes", "matmul_f32/avx512!tail_merged"],
            "no mask on the tail": ["add_f32/jit_avx512!store_without_mask", "softmax_f32/avx512!padding_in_the_sum"],
            "a newer extension's instruction": ["dot_f32/avx512!uses_vbmi2", "matmul_q1_0/avx512-lut!uses_vnni"],
            "VNNI emulated with saturation": ["matmul_q1_0/avx512-lut!dpbusd_by_maddubs"],
            "dirty upper ZMM": ["exp_f32/jit_avx512!dirty_zmm"],
        },
        elsewhere=("matmul_q1_0/avx512-lut!row_in_static_memory", "quantize_q8_0/jit_avx512!memory_lost",
                   "matmul_f32/avx512!nan_from_padding", "attention_f16/jit_avx512!columns_of_wide_heads"),
    ),
}


def was_caught(result):
    return result["runnable"] and result["caught"] == result["seeds"] > 0


def problems_of(result):
    """What is wrong with how one defect of `selftest --json` fared."""
    name = result["defect"]
    if not result["runnable"]:
        return [f"{name} did not run: {result['reason']}"]
    if not was_caught(result):
        return [f"{name} was not caught: {result['caught_by_other'] or 'it passed'} ({result['what']})"]
    return []


def problems_of_the_plan(plan, results):
    """A kind is missing where none of its defects is caught; a renamed defect must not shorten the list unseen."""
    caught = {r["defect"] for r in results if was_caught(r)}
    return [
        f"{kind}: {name} is not among the caught"
        for kind, names in plan.needs.items()
        for name in names
        if name not in caught
    ]


def main(words):
    if len(words) != 2 or words[0] not in PLANS or not os.path.isfile(words[1]):
        print(f"emulated_defects: unusable arguments: {' '.join(words)}\n{__doc__.strip()}", file=sys.stderr)
        return 2
    cpu, selftest = words[0], os.path.abspath(words[1])
    plan = PLANS[cpu]
    missing = emulate.missing_packages(emulate.CPUS[cpu])
    if missing:
        print(f"{cpu}: not tried: missing Debian packages: {' '.join(missing)}")
        return 3
    begin = time.monotonic()
    command = [selftest, "selftest", "--json", "--defect", plan.glob, *plan.options]
    try:
        [outcome], problems = matrix.run_all(cpu, [command])
    except bochs.MissingPackage as missing_package:
        print(f"{cpu}: not tried: {missing_package}")
        return 3
    results = outcome.json()
    if results is None:
        problems.append(f"`{' '.join(command)}`: {outcome}")
        results = []
    for result in results:
        wrong = problems_of(result) if result["defect"] not in plan.elsewhere else []
        if was_caught(result):
            evidence = result["evidence"].split("\n")[0]
            print(f"{result['defect']:<58} caught by {', '.join(result['seen_by'])}: {evidence:.90}")
        problems += wrong
    problems += problems_of_the_plan(plan, results)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    caught = sum(map(was_caught, results))
    print(f"{cpu}: {caught} of {len(results)} planted defects caught; {len(plan.needs)} kinds asked for; "
          f"{time.monotonic() - begin:.0f} s, {usage.ru_utime + usage.ru_stime:.0f} s of CPU time")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems or not caught else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # leaves no temporary folder behind
    sys.exit(main(sys.argv[1:]))
