"""What each CPU of ci/emulate.py must offer, no more and no less, after its vendor's manuals: ci/matrix.py holds the
emulated CPU, and what `assay` sees of it, against this."""

import re

# ISAs of `assay list`, level by level.
V1 = ["scalar", "x87"]
V2 = [*V1, "auto_v2", "sse"]
V3 = [*V2, "auto_v3", "avx2", "jit_avx2"]
V4 = [*V3, "auto_v4", "avx512", "jit_avx512"]
VNNI = [*V4, "avx512_vnni"]
LEVELS = [V1, V2, V3, V4, VNNI]
ISAS = {
    "x86-64": V1,
    "conroe": V1,
    "nehalem": V2,
    "sandybridge": V2,
    "haswell": V3,
    "zen3": V3,
    "skylake-x": V4,
    "cannonlake": V4,
    "icelake": VNNI,
    "tigerlake": VNNI,
}
# ISAs that none of them has: they run where the machine at hand has them.
NOWHERE = ["avx512_bf16"]

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

# Bochs 2.7 rounds some floats that lie halfway between two halves away from the even one in VCVTPS2PH: the scale d of a
# block is then one code off. Real CPUs pass the same cases. Kernels whose AVX2 and AVX-512 variants use it:
BOCHS_ROUNDS_HALVES_WRONGLY = {"quantize_q1_0", "quantize_q8_0"}


def is_fault_of_bochs(kernel, isa, reason):
    """Whether a failure says no more than that: nothing but one scale, off by one code."""
    numbers = re.match(r"(?:on other data, in between: )?d\[\d+\] is (\S+)(?: \(\S+\))?, expected (\S+)", reason)
    if kernel not in BOCHS_ROUNDS_HALVES_WRONGLY or isa in V2 or isa.startswith("auto") or not numbers:
        return False
    got, wanted = (int(n.rstrip(":,"), 0) for n in numbers.groups())
    return abs(got - wanted) == 1


def executes(cpu):
    """The instruction-set extensions that must run on the CPU; all others must trap."""
    return FEATURES[cpu] | ONLY_PROBED.get(cpu, set()) | {"sse2"}


# What the model must run through where nobody measured: the best hand-written ISA.
_BEST = {"scalar": V1, "sse": V2, "avx2": V3, "avx512": V4}
BEST = {cpu: next((best for best, level in _BEST.items() if level == isas), "avx512") for cpu, isas in ISAS.items()}
