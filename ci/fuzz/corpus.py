#!/usr/bin/env python3
"""Makes the fuzzers' seed corpus from nothing: small valid files of each format, and near misses.

usage: corpus.py FOLDER    writes FOLDER/<target>/<name>
"""
import json
import pathlib
import struct
import sys


# ---- GGUF v3: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md ----

def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
F32, F16, Q8_0, Q1_0 = 0, 1, 8, 41
BYTES_OF = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34), Q1_0: (128, 18)}


def plain(kind, value):
    return string(value) if kind == STRING else struct.pack(SCALARS[kind], value)


def entry(key, kind, value):
    return string(key) + struct.pack("<I", kind) + plain(kind, value)


def array(key, kind, values):
    return string(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + b"".join(plain(kind, v) for v in values)


def gguf(entries, tensors=(), alignment=32, version=3):
    infos, data = b"", b""
    for name, kind, shape in tensors:
        block, size = BYTES_OF[kind]
        count = 1
        for n in shape:
            count *= n
        infos += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += bytes(i % 251 for i in range(count // block * size))
        data += bytes(-len(data) % alignment)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries)) + b"".join(entries) + infos
    return head + (bytes(-len(head) % alignment) + data if tensors else b"")


def byte_alphabet():
    """How GPT-2's encoder.py writes each byte as a character."""
    kept = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    other = iter(range(0x100, 0x200))
    return [chr(b) if b in kept else chr(next(other)) for b in range(256)]


def gpt2(blocks=1, ctx=4, embd=4, ff=8, weights=F32):
    letters = byte_alphabet()
    space = letters[ord(" ")]
    merges = [("t", "h"), ("th", "e"), (space, "the"), ("1", "2"), ("a", "a"), ("aa", "aa")]
    tokens = letters + [a + b for a, b in merges] + ["<|endoftext|>"]
    tensors = [("token_embd.weight", F32, (embd, len(tokens))), ("position_embd.weight", F32, (embd, ctx)),
               ("output_norm.weight", F32, (embd,)), ("output_norm.bias", F32, (embd,))]
    for i in range(blocks):
        for name, rows, cols in (("attn_qkv", 3 * embd, embd), ("attn_output", embd, embd), ("ffn_up", ff, embd), ("ffn_down", embd, ff)):
            tensors += [(f"blk.{i}.{name}.weight", weights, (cols, rows)), (f"blk.{i}.{name}.bias", F32, (rows,))]
        for name in ("attn_norm", "ffn_norm"):
            tensors += [(f"blk.{i}.{name}.weight", F32, (embd,)), (f"blk.{i}.{name}.bias", F32, (embd,))]
    return gguf([
        entry("general.architecture", STRING, "gpt2"),
        entry("gpt2.context_length", 4, ctx), entry("gpt2.embedding_length", 4, embd), entry("gpt2.attention.head_count", 4, 2),
        entry("gpt2.feed_forward_length", 4, ff), entry("gpt2.block_count", 4, blocks), entry("gpt2.attention.layer_norm_epsilon", 6, 1e-5),
        entry("tokenizer.ggml.model", STRING, "gpt2"), entry("tokenizer.ggml.pre", STRING, "gpt-2"),
        array("tokenizer.ggml.tokens", STRING, tokens), array("tokenizer.ggml.token_type", 5, [1] * (len(tokens) - 1) + [3]),
        array("tokenizer.ggml.merges", STRING, [f"{a} {b}" for a, b in merges]),
        entry("tokenizer.ggml.eos_token_id", 4, len(tokens) - 1),
    ], tensors)


def gguf_seeds():
    every_scalar = [entry(f"k{kind}", kind, 1) for kind in SCALARS]
    every_array = [array(f"a{kind}", kind, [0, 1]) for kind in SCALARS]
    yield "empty", gguf([])
    yield "version_2", gguf([], version=2)
    yield "scalars", gguf(every_scalar + [entry("s", STRING, "text")])
    yield "arrays", gguf(every_array + [array("s", STRING, ["a", "", "\u00e9"])])
    yield "nested", gguf([string("n") + struct.pack("<IIQ", ARRAY, ARRAY, 1) + struct.pack("<IQ", 0, 1) + b"\1"])
    yield "alignment", gguf([entry("general.alignment", 4, 64)], [("t", F32, (4,)), ("u", F32, (1, 2))], alignment=64)
    yield "types", gguf([], [("a", F32, (2, 2)), ("b", F16, (3,)), ("c", Q8_0, (32,)), ("d", Q1_0, (128, 2, 1, 1))])
    yield "gpt2", gpt2()
    yield "gpt2_f16", gpt2(weights=F16)
    yield "gpt2_no_block", gpt2(blocks=0)


# ---- profile ----

def choice(**changes):
    return {"kernel": "dot_f32", "class": "L1", "shape": [1000], "cold": False, "variant": "scalar", "why": "the only variant with a passing verdict", "code": "0123456789abcdef",
            "parameters": [], "ratios": {"scalar": [1.0, 1.0, 1.0]},
            "verdict": {"status": "pass", "samples": 300, "max_ulp": 1.5, "seed": 1, "worst_error_over_bound": 0.25},
            "timing": {"median_ns": 100.5, "low_ns": 99.0, "high_ns": 101.0, "tie": False}} | changes


def profile(choices, **changes):
    cpu = {"vendor": "AuthenticAMD", "brand": "A CPU", "family": 25, "model": 1, "stepping": 1, "features": ["avx", "sse2"], "xcr0": "0x7"}
    evidence = {"dot_f32/scalar": {"code": "0123456789abcdef", "contract": 2, "verdict": {"status": "pass", "samples": 300}}}
    return json.dumps({"schema_version": 5, "cpu": cpu, "archspec": "zen3", "date": "2026-01-01T00:00:00Z", "compiler": "GCC 12.2.0", "evidence": evidence, "choices": choices} | changes)


def profile_seeds():
    yield "none", profile([])
    yield "two", profile([choice(), choice(**{"class": "memory", "shape": [1 << 24]})])
    yield "unknown_kernel", profile([choice(kernel="dot_f64")])
    yield "unknown_variant", profile([choice(variant="avx3")])
    yield "two_sizes", profile([choice(shape=[1, 2])])
    yield "failed", profile([choice(verdict={"status": "fail", "samples": 1})])
    yield "no_samples", profile([choice(verdict={"status": "pass", "samples": 0})])
    yield "negative", profile([choice(shape=[-1])])
    yield "numbers", profile([choice(timing=[1e308, -0.0, 2 ** 64, -2 ** 63, 0.1])])
    yield "ratios", profile([choice(ratios={"scalar": [1.0, 0.9, 0.8]})])
    yield "no_evidence", profile([choice(ratios={"scalar": [1, 1, 1], "jit_avx2[0]": [1, 1, 1]})])
    yield "schema_1", profile([], schema_version=1)
    yield "deep", profile([choice(timing=json.loads("[" * 20 + "]" * 20))])
    yield "text", profile([], date="\u00e9\u20ac\U0001f642\\\" \u001b[2J")


# ---- a dump of cpuid_tool ----

def registers(text):
    """The 12 letters of a vendor, in the order of EBX, EDX, ECX."""
    return struct.unpack("<3I", text.encode())


def leaves(vendor, signature, leaf1_ecx, leaf7_ebx, cache, threads):
    """By group, what is not zero: index -> registers."""
    ebx, edx, ecx = registers(vendor)
    basic = {0: (0xd, ebx, ecx, edx), 1: (signature, 0x00100800, leaf1_ecx, 0x178bfbff), 7: (0, leaf7_ebx, 0, 0)}
    brand = struct.unpack("<12I", b"A CPU made for a test".ljust(48, b"\0"))
    extended = {0: (0x8000001e, ebx, ecx, edx), 1: (signature, 0, 0x121, 0x2c100800),
                **{2 + i: brand[4 * i:4 * i + 4] for i in range(3)},
                5: (0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140), 6: (0, 0x48006400, 0x02006140, 0x01009140), 8: (0x3030, 0, 0x4007, 0)}
    return {"basic_cpuid": basic, "ext_cpuid": extended, "intel_fn4": cache, "intel_fn11": threads, "intel_fn12h": {}, "intel_fn14h": {}, "amd_fn8000001dh": cache}


SIZES = {"basic_cpuid": 32, "ext_cpuid": 32, "intel_fn4": 8, "intel_fn11": 4, "intel_fn12h": 4, "intel_fn14h": 4, "amd_fn8000001dh": 4}


def core(groups):
    return [f"{name}[{i}]=" + " ".join(f"{r:08x}" for r in groups[name].get(i, (0, 0, 0, 0))) for name, size in SIZES.items() for i in range(size)]


def dump(groups, cores=0):
    lines = ["version=0.6.2", "build_date=Jan 01 2026"]
    for number in range(cores):
        lines += [f"{'_' * 17} Logical CPU #{number} {'_' * 17}"] + core(groups)
    return "\n".join(lines + ([] if cores else core(groups))) + "\n"


def aida64(groups, vendor):
    """AIDA64's own dump, which libcpuid reads too."""
    lines = ["------[ Logical CPU #0 ]------", ""]

    def line(leaf, registers, mark=""):
        lines.append(f"CPUID {leaf:08X}: " + "-".join(f"{r:08X}" for r in registers) + mark)

    for leaf in range(14):
        line(leaf, groups["basic_cpuid"].get(leaf, (0, 0, 0, 0)), f" [{vendor}]" if leaf == 0 else "")
        if leaf in (4, 11):
            for subleaf, registers in groups["intel_fn4" if leaf == 4 else "intel_fn11"].items():
                if subleaf > 0:
                    line(leaf, registers, f" [SL {subleaf:02X}]")
    for leaf in range(0x1f):
        line(0x80000000 + leaf, groups["ext_cpuid"].get(leaf, (0, 0, 0, 0)))
    return "\n".join(lines) + "\n"


def cpu_dump_seeds():
    cache = {i: (0x1c004121 + i, 0x01c0003f, 0x3f, 0) for i in range(3)}
    threads = {0: (1, 2, 0x100, 0), 1: (4, 8, 0x201, 0)}
    intel = leaves("GenuineIntel", 0x000306c3, 0x7ffafbff, 0x000027ab, cache, threads)
    yield "intel", dump(intel)
    yield "intel_two_cores", dump(intel, cores=2)
    yield "intel_aida64", aida64(intel, "GenuineIntel")
    yield "intel_old", dump(leaves("GenuineIntel", 0x000006f2, 0x0000e3bd, 0, cache, {}))
    yield "amd", dump(leaves("AuthenticAMD", 0x00a00f11, 0x7ed8320b, 0x219c91a9, cache, threads))
    yield "amd_old", dump(leaves("AuthenticAMD", 0x00000f4a, 0, 0, {}, {}))
    yield "other", dump(leaves("CentaurHauls", 0x000006f8, 0x209, 0, {}, {}))
    yield "hygon", dump(leaves("HygonGenuine", 0x00900f11, 0x7ed8320b, 0x209c01a9, cache, {}))


# ---- command lines: one argument a line ----

def command_line_seeds():
    for name, line in {
            "none": "", "help": "--help", "version": "--version", "list": "list --json", "cpu": "cpu --raw FILE --json", "unknown": "list --what", "twice": "check --seed 1 --seed 2",
            "check": "check --kernel dot_* --variant avx2 --seed 0x1f --samples 10 --jobs 1 --timeout 0.5", "seconds": "check --seconds=1e-3 --exhaustive",
            "case": "check --case dot_f32/scalar:n=17,class=special,alias=y=x,seed=0x1f", "block": "check --block gpt2",
            "bench": "bench --kernel * --filter .*avx2 --repetitions 3 --min-time 0.01 --quick --samples 5 --out a.json --markdown b.md",
            "report": "report a.json b.json --html c.html --md d.md --summary e.json --site f",
            "tune": "tune --quick --out a.json --seed 3 --json",
            "run": "run -m FILE -p hello -n 3 --temp 0.5 --top-k 40 --top-p 0.9 --seed 7 -t 2 --verify --list-choices -q",
            "force": "run --force *=scalar,dot_f32=x87 --profile FILE", "quantize": "quantize IN OUT --type q1_0 --force dot_f32=scalar",
            "numbers": "run -n 18446744073709551616 --temp nan --top-p 1e999 --seed -1"}.items():
        yield name, "\n".join(line.split(" "))


# ---- what reports are made of ----

def summary_seeds():
    cpu = {"vendor": "AuthenticAMD", "brand": "A", "family": 25, "l1d": 32768, "isas": [{"isa": "avx2", "runnable": True}, {"isa": "avx512", "reason": "lacks"}]}
    shapes = [{"label": label, "sizes": [size], "ops": size, "bytes": 12 * size, "limit": "L1 bandwidth", "limit_ns": size / 20, "control": 1.01, "use": "avx2", "next": "auto_v3",
               "tie": size > 5000} for label, size in (("L1", 2000), ("L2", 20000), ("L1-cold", 2001))]
    variants = [{"variant": name, "status": "pass", "samples": 2000, "max_ulp": 0.5, "over_bound": 0.8, "bound_bins": [9000, 1000], "ulp_bins": [10000], "times": [[100 * t, 9, 20], [], [7 * t, 0, 0]],
                 "emulated": [60, -1], "generation_ns": 5e4, "packed_share": 1.1, "packing_rate": 2e9} for t, name in ((1, "avx2"), (2, "auto_v3"), (3, "mine:fast"), (4, "jit_avx2[2048,4]"))]
    whole = {"assay_summary": 1, "cpu": cpu, "sources": [{"command": "bench", "date": "2026-11-30", "version": "0.1.0", "build": "b"}], "emulated_cpus": ["haswell", "conroe"],
             "rates": [{"name": "f32", "instruction": "vfmadd231ps ymm", "per_second": 1e11}], "levels": [{"name": "L1", "read": 3e11}, {"name": "mem", "read": 2e10, "written": 1e10, "mixed": 2e10}],
             "kernels": [{"name": "add_f32", "dims": ["n"], "shapes": shapes, "variants": variants}, {"name": "exp_f32", "variants": [{"variant": "x87", "status": "fail", "reason": "<b>"}]}],
             "choices": [{"kernel": "add_f32", "label": "L1", "variant": "avx2", "why": "1.1x"}], "predictions": [{"kernel": "add_f32", "variant": "avx2", "label": "L1", "model": "znver3", "predicted": 90, "measured": 99,
             "covered": 0.9}], "models": [{"model": "m", "test": "tg128", "threads": 2, "rate": 12.5, "deviation": 0.5, "kernels": [{"kernel": "matmul_q4_0", "share": 0.9}]}],
             "rounds": {"kernel": "add_f32", "label": "L1", "variant": "avx2", "ns": [1, 2, 3], "control_ns": [1, 2, 3], "probe_ns": [5, 6, 9], "quiet": [0, 1]}}
    yield "whole", json.dumps(whole)
    for key in whole:
        yield "without_" + key, json.dumps({k: v for k, v in whole.items() if k != key})
    yield "empty", json.dumps({"assay_summary": 1})
    yield "another", json.dumps({"assay_summary": 2})


# ---- ggml, ggmf and ggjt of 2023: the header of runner/old_ggml.h, tokens, records ----

OLD_MAGICS = {"ggml": 0x67676D6C, "ggmf": 0x67676D66, "ggjt": 0x67676A74}
OLD_BYTES = {2: (32, 20), 3: (32, 24), 4: (16, 10), 5: (16, 12), 6: (32, 22), 7: (32, 24), 8: (32, 36), **{t: BYTES_OF[t] for t in (F32, F16)}}
OLD_BYTES_OF_V3 = {**OLD_BYTES, 2: (32, 18), 3: (32, 20), 8: (32, 34)}


def old_llama(container, version, kind, width=32, wider=96):
    sizes = OLD_BYTES_OF_V3 if version == 3 else OLD_BYTES
    tokens = ["", "", "", *(bytes([b]) for b in range(256)), " ", "a", " a"]
    tokens = [t if isinstance(t, bytes) else t.encode() for t in tokens]
    out = struct.pack("<I", OLD_MAGICS[container]) + (struct.pack("<I", version) if version else b"")
    out += struct.pack("<7I", len(tokens), width, 32, 1, 1, width, kind)
    for number, token in enumerate(tokens):
        out += struct.pack("<I", len(token)) + token + (struct.pack("<f", -number) if version else b"")
    layer = "layers.0."
    shapes = {"tok_embeddings": (width, len(tokens)), "norm": (width,), "output": (width, len(tokens)),
              **{f"{layer}attention.w{x}": (width, width) for x in "qkvo"}, f"{layer}attention_norm": (width,),
              f"{layer}feed_forward.w1": (width, wider), f"{layer}feed_forward.w2": (wider, width),
              f"{layer}feed_forward.w3": (width, wider), f"{layer}ffn_norm": (width,)}
    for name, shape in shapes.items():
        name += ".weight"
        type_of = kind if len(shape) == 2 else F32
        out += struct.pack(f"<3I{len(shape)}I", len(shape), len(name), type_of, *shape) + name.encode()
        out += bytes(-len(out) % 32) if container == "ggjt" else b""
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        block, size = sizes[type_of]
        data = struct.pack("<f", 0.25) * (count // block * size // 4 + 1)  # a scale wherever it is looked for
        out += data[:count // block * size]
    return out


def old_seeds():
    for container, version, kinds in (("ggml", 0, (2, 3)), ("ggmf", 1, (2, 3)), ("ggjt", 1, (2, 3, 4, 5, 6, 7)),
                                      ("ggjt", 2, (2, 3, 6)), ("ggjt", 3, (2, 3, 6))):
        for kind in kinds:
            yield f"{container}{version}_{kind}", old_llama(container, version, kind)
    yield "adapter", b"algg\x01\0\0\0"


# ---- tokenizers: a kind, records, text, as ci/fuzz/tokenizer.cpp reads them ----

TOKENIZER_TEXTS = ["", "it's 12 o'clock,\n\n  isn't IT'LL? \t", "안녕 하세요 中文 \U0001f642\u200d e\u0301", "<s>aaaa abab<|u|> \u2047 ", b"\xff\xc3 \xe2\x96\x81 a\0b"]


def tokenizer_seeds():
    def piece(kind, text, score=0):
        data = text.encode()
        return bytes([0xc0 | len(data) % 8 << 3 | kind, score % 256]) + data

    letters = [ord(c) for c in "ab1 "]
    merges = [bytes([0, a, b]) for a in letters for b in letters] + [bytes([0, 1 + i, 1 + i]) for i in range(8)]
    special = [piece(1, "<|u|>"), piece(2, "[u]"), piece(2, "  "), piece(1, "<|u")]
    pieces = [bytes([len(t.encode()) << 3, score % 256]) + t.encode()
              for t, score in (("a", -3), ("b", -4), ("ab", -1), ("aa", -2), ("\u2581", -5), ("\u2581a", -6), ("aab", -1), ("\uc548", -7))]
    marks = [bytes([len(t) << 3 | kind, 0]) + t.encode() for kind, t in ((1, "<|u|>"), (2, "[u]"), (2, "  "), (5, "<unk>"))]
    for number, text in enumerate(TOKENIZER_TEXTS):
        data = text if isinstance(text, bytes) else text.encode()
        for kind in (0, 32, 60, 120):
            records = merges + special
            yield f"pairs_{kind}_{number}", bytes([kind, len(records)]) + b"".join(records) + data
        for kind in (1, 3):
            records = pieces + marks
            yield f"pieces_{kind}_{number}", bytes([kind, len(records)]) + b"".join(records) + data


# ---- models in parts: how many, less one; then each part behind its length ----

def split_seeds():
    def part(number, parts, tensors, all_tensors):
        keys = [entry("split.no", 2, number), entry("split.count", 2, parts), entry("split.tensors.count", 5, all_tensors)]
        return gguf(([entry("general.architecture", STRING, "gpt2")] if number == 0 else []) + keys, tensors)

    def files(parts):
        return bytes([len(parts) - 1]) + b"".join(struct.pack("<H", len(p)) + p for p in parts)

    a, b, c = [("a", F32, (4,))], [("b", F16, (2, 2)), ("c", F32, (1,))], [("d", Q8_0, (32,))]
    yield "one", files([gguf([], a)])
    yield "two", files([part(0, 2, a, 3), part(1, 2, b, 3)])
    yield "three", files([part(0, 3, a, 4), part(1, 3, b, 4), part(2, 3, c, 4)])
    yield "four", files([part(0, 4, [], 4), part(1, 4, a, 4), part(2, 4, b, 4), part(3, 4, c, 4)])
    yield "twice", files([part(0, 2, a, 2), part(1, 2, a, 2)])
    yield "too_few", files([part(0, 2, a, 4), part(1, 2, b, 4)])
    yield "other_order", files([part(1, 2, a, 3), part(0, 2, b, 3)])
    yield "of_another", files([part(0, 2, a, 3), part(1, 3, b, 3)])
    yield "cut", files([part(0, 2, a, 3), part(1, 2, b, 3)])[:-8]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, seeds in (("gguf", gguf_seeds()), ("old_ggml", old_seeds()), ("profile", profile_seeds()), ("cpu_dump", cpu_dump_seeds()), ("command_line", command_line_seeds()), ("summary", summary_seeds()),
                          ("tokenizer", tokenizer_seeds()), ("split", split_seeds())):
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in seeds:
            (folder / name).write_bytes(contents if isinstance(contents, bytes) else contents.encode())


main()
