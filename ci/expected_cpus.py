"""What each CPU of ci/emulate.py must offer, no more and no less, after its vendor's manuals: ci/matrix.py holds the
emulated CPU, and what `assay` sees of it, against this."""

import json
import os
import re

_TABLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "harness/runtime/isas.json")
with open(_TABLE, encoding="utf-8") as file:
    _TABLE = json.load(file)


def _with_those_below(key):
    """level -> what it and the levels below it have."""
    whole, so_far = {}, []
    for level in _TABLE["levels"]:
        so_far = [*so_far, *level[key]]
        whole[level["name"]] = so_far
    return whole


_LEVEL_FEATURES = _with_those_below("features")
# Every ISA, and what features of `assay cpu --json` each needs.
ALL = {isa["name"]: {*_LEVEL_FEATURES[isa["level"]], *isa.get("features", [])} for isa in _TABLE["isas"]}
LEVEL_OF = {isa["name"]: [level["name"] for level in _TABLE["levels"]].index(isa["level"]) for isa in _TABLE["isas"]}
COMPILERS = {isa["name"] for isa in _TABLE["isas"] if isa["kind"] == "compiler"}

# The features that set the CPUs apart, as `assay cpu --json` names them.
_SSE4 = {"sse3", "ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf"}
_AVX2 = _SSE4 | {"avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "lzcnt"}
_AVX512 = _AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_CANNONLAKE = _AVX512 | {"avx512_ifma", "avx512_vbmi"}
_ICELAKE = _CANNONLAKE | {"avx512_vbmi2", "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq", "gfni", "vaes"}
FEATURES = {
    "x86-64": set(),
    "conroe": {"sse3", "ssse3", "cx16", "lahf"},
    "nehalem": _SSE4,
    "sandybridge": _SSE4 | {"avx"},
    "haswell": _AVX2,
    "zen3": _AVX2,  # but for VAES: the model is a Zen 1
    "skylake-x": _AVX512,
    "cannonlake": _CANNONLAKE,
    "icelake": _ICELAKE,
    "tigerlake": _ICELAKE,
}
# Parts of x86-64 itself, or of the operating system.
COMMON = {"sse", "sse2", "xsave", "osxsave", "hypervisor"}
# What isa_probe.c tries and `assay cpu` does not tell of. Ice Lake lacks it, but Bochs 2.7 does not trap there.
ONLY_PROBED = {"icelake": {"avx512_vp2intersect"}, "tigerlake": {"avx512_vp2intersect"}}

# The ISAs that each must run, and those that none of them has: they run where the machine at hand has them.
ISAS = {
    cpu: [isa for isa, needed in ALL.items() if needed <= features | COMMON] for cpu, features in FEATURES.items()
}
NOWHERE = [isa for isa in ALL if not any(isa in isas for isas in ISAS.values())]



def is_avx512(isa):
    return "avx512f" in ALL[isa]


def is_older(isa, cpu):
    """Whether the CPU has an ISA that needs more."""
    return len(ALL[isa]) < max(len(ALL[other]) for other in ISAS[cpu])


# Bochs 2.7 rounds some floats that lie halfway between two halves away from the even one in VCVTPS2PH: the scale d of a
# block, or a result, is then one code off. Real CPUs pass the same cases. Kernels whose AVX2 and AVX-512 variants use it:
BOCHS_ROUNDS_HALVES_WRONGLY = {"convert_f16", "quantize_q1_0", "quantize_q8_0"}


def is_fault_of_bochs(kernel, isa, reason):
    """Whether a failure says no more than that: nothing but one number of 16 bits, off by one code."""
    numbers = re.match(r"(?:on other data, in between: )?[dy]\[\d+\] is (\S+)(?: \(\S+\))?, expected (\S+)", reason)
    if kernel not in BOCHS_ROUNDS_HALVES_WRONGLY or LEVEL_OF[isa] < 2 or isa in COMPILERS or not numbers:
        return False
    got, wanted = (int(n.rstrip(":,"), 0) for n in numbers.groups())
    return abs(got - wanted) == 1


def executes(cpu):
    """The instruction-set extensions that must run on the CPU; all others must trap."""
    return FEATURES[cpu] | ONLY_PROBED.get(cpu, set()) | {"sse2"}


# What the model must run through where nobody measured: the best ISA that its kernels are written in by hand.
_BEST = [isa["name"] for isa in _TABLE["isas"] if isa.get("unmeasured")]


def best(cpu, kernel_isas):
    """Of a kernel that has variants for these ISAs."""
    return [isa for isa in _BEST if isa in ISAS[cpu] and isa in kernel_isas][-1]
