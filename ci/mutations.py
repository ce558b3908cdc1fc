"""One-point edits of kernel code, in C++ (intrinsics, Xbyak) and NASM: what ci/mutate.py makes mutants of.

An edit changes one place of one line. Comments, strings, preprocessor lines and character constants are never touched. They
are found by the text alone: what does not compile is no mutant, and the compiler says so.
"""
import dataclasses
import re

# What each operator stands for: the bug of real programs.
OPERATORS = {
    "integer": "a size, offset, index or immediate is off",
    "float": "a digit of a constant is wrong, or its sign",
    "sign": "plus for minus",
    "product": "a factor is forgotten",
    "compare": "the limit itself belongs to the other side",
    "logic": "and for or, a not forgotten",
    "shift": "shifted by one bit more or less, or the other way",
    "step": "a loop skips every second element",
    "bound": "a loop ends one early or late",
    "operands": "two operands in the wrong order",
    "subscript": "another element or accumulator",
    "mask": "a mask is one lane off or forgotten",
    "instruction": "another instruction of the same operands: signedness, rounding, width, strictness",
    "type": "signed for unsigned",
    "statement": "a line is missing",
    "branch": "a case that is always or never taken",
    "register": "another register",
    "condition": "another condition code",
}


@dataclasses.dataclass(frozen=True)
class Edit:
    line: int  # from 1
    operator: str
    number: int  # among those of the line and operator
    start: int  # of what is replaced in the text
    end: int
    new: str

    def apply(self, text):
        return text[: self.start] + self.new + text[self.end :]

    def lines(self, text):
        """The line as it is, and edited."""
        first = text.rfind("\n", 0, self.start) + 1
        last = (text + "\n").find("\n", self.end)
        return text[first:last].strip(), (text[first : self.start] + self.new + text[self.end : last]).strip()


def blank(pattern, text):
    """What matches becomes spaces: offsets and lines stay."""
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.M | re.S)


def code_of(text, assembly):
    if assembly:
        return blank(r";[^\n]*|^[ \t]*%[^\n]*|^(global|section|extern|default|align)\b[^\n]*", text)
    text = blank(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", text)
    # Where generated code begins, and what is prefetched, is a matter of speed.
    text = blank(r"\balign\(\d+\);|^( *)[^\n]*\bvoid prefetch_\w+\(.*?^\1\}|\bprefetch_\w+(?:<[^;\n]*>)?\([^;\n]*\);", text)
    return blank(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", text)


FLOAT = r"(?<![\w.])(0x[0-9a-fA-F]*\.?[0-9a-fA-F]*p[+-]?\d+|\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+)([fF]?)\b"
INTEGER = r"(?<![\w.])(?<!e[-+])(0[xX][0-9a-fA-F]+|\d+)([uUlLzZ]*)(?![\w.'])"


def floats(m):
    hexadecimal = m[1].startswith("0x")
    value = float.fromhex(m[1]) if hexadecimal else float(m[1])
    write = (lambda x: x.hex()) if hexadecimal else repr
    return [write(value * (1 + d)) + m[2] for d in (1e-3, -4e-4)] + ["-" + m[0]]


def integers(m):
    value = int(m[1], 0) if m[1].lower().startswith("0x") else int(m[1])
    write = hex if m[1].lower().startswith("0x") else str
    return [write(v) + m[2] for v in (value + 1, value - 1, 2 * value, value // 2, 0) if v >= 0]


def swap(*pairs):
    """Of a match of a word: the other one of its pair."""
    table = {}
    for a, b in pairs:
        table.setdefault(a, []).append(b)
        table.setdefault(b, []).append(a)
    return lambda m: [m[0].replace(m[1], new) for new in table[m[1]]]


def words(*pairs):
    return "|".join(sorted({re.escape(w) for pair in pairs for w in pair}, key=len, reverse=True))


# Parts of the names of intrinsics and instructions, and of their immediates.
NAMES = [("add", "sub"), ("min", "max"), ("fmadd", "fmsub"), ("fmadd", "fnmadd"), ("loadu", "load"), ("storeu", "store"),
         ("cvtepi", "cvtepu"), ("packs", "packus"), ("srli", "srai"), ("srli", "slli"), ("unpacklo", "unpackhi"),
         ("movehl", "movelh"), ("movehdup", "moveldup"), ("_and_", "_or_"), ("_andnot_", "_and_"), ("cmpgt", "cmpeq"),
         ("cmplt", "cmple"), ("epi16", "epi32"), ("epi8", "epi16"), ("_mul_", "_add_"), ("_max_epi", "_max_epu"),
         ("cvtps_epi32", "cvttps_epi32"), ("_add_ps", "_add_ss"), ("_max_ps", "_max_ss"), ("hadd", "hsub"), ("_div_", "_mul_")]
IMMEDIATES = [("_CMP_GT_OQ", "_CMP_GE_OQ"), ("_CMP_LT_OQ", "_CMP_LE_OQ"), ("_CMP_EQ_OQ", "_CMP_NEQ_UQ"),
              ("_CMP_LT_OQ", "_CMP_GE_OQ"), ("_MM_FROUND_TO_NEAREST_INT", "_MM_FROUND_TO_ZERO"),
              ("_MM_FROUND_TO_NEAREST_INT", "_MM_FROUND_TO_POS_INF"), ("_MM_PERM_BADC", "_MM_PERM_CDAB"),
              ("_MM_PERM_CCAA", "_MM_PERM_DDBB")]
XBYAK = [("vaddps", "vsubps"), ("vaddps", "vaddss"), ("vmulps", "vaddps"), ("vmaxps", "vminps"), ("vmulss", "vmulps"),
         ("vmaxps", "vmaxss"), ("vfmadd231ps", "vfmadd213ps"), ("vfmadd231ps", "vfnmadd231ps"), ("vfmadd213ps", "vfmadd132ps"),
         ("vfmsub213ps", "vfmadd213ps"), ("vfmsub231ps", "vfmadd231ps"), ("vdivss", "vmulss"), ("vdivps", "vmulps"),
         ("vmovups", "vmovaps"), ("vmovss", "vmovups"), ("vmovdqu", "vmovdqa"), ("vpaddd", "vpsubd"), ("vpaddd", "vpaddw"),
         ("vpaddb", "vpsubb"), ("vpaddw", "vpaddsw"), ("vpmaxsd", "vpmaxud"), ("vpsrlw", "vpsraw"), ("vpsrld", "vpsrad"),
         ("vpsllw", "vpsrlw"), ("vpslld", "vpsrld"), ("vpunpcklwd", "vpunpckhwd"), ("vpunpcklbw", "vpunpckhbw"),
         ("vunpcklps", "vunpckhps"), ("vpunpckldq", "vpunpckhdq"), ("vmovhlps", "vmovlhps"), ("vmovshdup", "vmovsldup"),
         ("vandps", "vorps"), ("vandnps", "vandps"), ("vpand", "vpor"), ("vpandd", "vpord"), ("vpxor", "vpor"),
         ("vpacksswb", "vpackuswb"), ("vpackssdw", "vpackusdw"), ("vcvtps2dq", "vcvttps2dq"), ("vpmaddubsw", "vpmaddwd"),
         ("vbroadcastss", "vmovss"), ("vpbroadcastd", "vmovd"), ("vpmovzxwd", "vpmovsxwd"), ("vpmovzxbd", "vpmovsxbd"),
         ("vucomiss", "vcomiss"), ("vpcmpgtd", "vpcmpeqd"), ("vextractf128", "vextracti128"), ("add", "sub"), ("inc", "dec"),
         ("shl", "shr"), ("or_", "and_"), ("movzx", "movsx"), ("mov", "lea"), ("adc", "add")]
NASM = [("add", "sub"), ("inc", "dec"), ("shl", "shr"), ("shr", "sar"), ("and", "or"), ("movzx", "movsx"), ("adc", "add"),
        ("mov", "lea"), ("neg", "not"), ("fadd", "fsub"), ("faddp", "fsubp"), ("fsub", "fsubr"), ("fmul", "fdiv"),
        ("fmul", "fadd"), ("fmulp", "faddp"), ("fdivp", "fdivrp"), ("fcomi", "fcomip"), ("fcomi", "fucomi"), ("fst", "fstp"),
        ("fist", "fistp"), ("fld1", "fldz"), ("fabs", "fchs"), ("fldl2e", "fldln2"), ("fild", "fld"), ("fiadd", "fisub"),
        ("fcmovb", "fcmovnb"), ("fcmovbe", "fcmovb"), ("imul", "add"), ("dword", "qword"), ("word", "byte"), ("frndint", "fabs")]
CODES = [("b", "be"), ("a", "ae"), ("b", "ae"), ("e", "ne"), ("z", "nz"), ("s", "ns"), ("l", "le"), ("g", "ge"), ("p", "np"),
         ("c", "nc"), ("a", "g")]
GENERAL = ["ax", "cx", "dx", "bx", "si", "di", "bp"]


def other_registers(m):
    kind, number = re.fullmatch(r"([a-z]+?)(\d*)(?:d|b)?", m[0]).groups()
    if number:
        suffix = m[0][len(kind) + len(number) :]
        end = 8 if kind in ("st", "k") else 16
        return [f"{kind}{n}{suffix}" for n in (int(number) + 1, int(number) - 1) if 0 <= n < end]
    letter, name = m[0][0], m[0][1:]
    at = GENERAL.index(name)
    return [letter + GENERAL[(at + 1) % len(GENERAL)], letter + GENERAL[at - 1]]


def other_conditions(m):
    before = m[0][: m.start(1) - m.start()]
    return [before + new for pair in CODES if m[1] in pair for new in pair if new != m[1]]


def split_arguments(code, start):
    """The spans of the arguments behind the parenthesis at start - 1, of one line; [] if they end on another."""
    spans = []
    depth = 0
    begin = start
    for i in range(start, len(code)):
        c = code[i]
        if c == "\n":
            return []
        if c in ")]}" and depth == 0:
            return [*spans, (begin, i)]
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            spans.append((begin, i))
            begin = i + 1
    return []


COMMUTE = r"\bvp(?:max|min)|_(?:max|min)_ep[iu]"  # of integers: in any order the same
ORDERED = (r"\b(?:_mm\w*?|v\w*?)(?:sub|blend|unpack|unpck|shuf|andn|perm|cmp|max|min|movehl|movhl|maddubs|dpbusd|div|pack|"
           r"fmsub|fnmadd|fmadd)\w*\(")


def swapped_operands(code):
    """Of an intrinsic the first two arguments that are vectors, of an instruction of Xbyak the last two of three."""
    for m in re.finditer(ORDERED, code):
        if re.search(COMMUTE, m[0]):
            continue
        spans = split_arguments(code, m.end())
        first = 0 if m[0].startswith("_mm") else 1
        first = 2 if "_mask_" in m[0] and len(spans) > 3 else 1 if "_maskz_" in m[0] else first
        if len(spans) >= first + 2:
            (a, b), (c, d) = spans[first : first + 2]
            space = "" if a == m.end() else " "
            yield a, d, f"{space}{code[c:d].strip()}, {code[a:b].strip()}"


DECLARES = (r"(?:const|constexpr|static|using|return|typename|template|struct|class|enum|extern|float|double|size_t|int|auto|bool|"
            r"uint\w+|int\w+|Vec|Xbyak::\w+|__m\w+|Float|goto|break|continue|case|default|public|private|friend|for|if|else|"
            r"while|static_assert)\b")


def statements(code):
    """Whole lines of code that end a statement where another has ended; what declares is needed to compile."""
    before = "{"
    for m in re.finditer(r"[^\n]*\n", code):
        line = m[0].strip()
        whole = line.endswith(";") and line[0] != "}" and line.count("(") == line.count(")")
        if whole and before[-1] in ";{}:" and not re.match(DECLARES, line):
            yield m.start() + len(m[0]) - len(m[0].lstrip()), m.start() + len(m[0].rstrip()), ";"
        before = line or before


def branches(code):
    for m in re.finditer(r"\bif (?:constexpr )?\(", code):
        spans = split_arguments(code, m.end())
        if spans:
            start, end = spans[0][0], spans[-1][1]
            for begin in ("true || ", "false && "):
                yield start, end, f"{begin}({code[start:end]})"


def bounds(code):
    for m in re.finditer(r"\b(?:for \([^;\n]*;|while \()[^;\n]*? (?:<|<=|>|>=|!=) ([^;\n&|]+?)(?=;|\) \{)", code):
        for off in (" + 1", " - 1"):
            yield m.start(1), m.end(1), m[1] + off


def instructions(code):
    """NASM: lines that hold one, with or without a label."""
    for m in re.finditer(r"^(?:[.\w]+:)?[ \t]+([a-z]\w*)\b[^\n:]*$", code, re.M):
        if m[1] not in ("dd", "dq", "db", "dw", "ret", "times", "align", "equ"):
            yield m.start(1), m.start() + len(m[0].rstrip()), ""


def at(pattern, new):
    """A finder: each match of the pattern is replaced by each text that new makes of it."""

    def find(code):
        for m in re.finditer(pattern, code, re.M):
            for text in new(m):
                yield m.start(), m.end(), text

    return find


def nudged(m):
    return [m[0].replace(m[1], f"{m[1]} + 1"), m[0].replace(m[1], f"{m[1]} - 1")]


BINARY = [("+", "-"), ("+=", "-=")]
COMPARISONS = [("<", "<="), (">", ">="), ("==", "!=")]
SIGNEDNESS = [("int8_t", "uint8_t"), ("int16_t", "uint16_t"), ("int32_t", "uint32_t"), ("signed", "unsigned")]
SHARED = [
    ("float", at(FLOAT, floats)),
    ("integer", at(INTEGER, integers)),
]
CPP = [
    *SHARED,
    ("sign", at(rf" ({words(*BINARY)}) ", swap(*BINARY))),
    ("product", at(r" \* (?:\d+[uz]*|[A-Za-z_]\w*(?:(?:\.|->)\w+)*)(?![\w.(\[<{:])", lambda m: [""])),
    ("compare", at(rf" ({words(*COMPARISONS)}) ", swap(*COMPARISONS))),
    ("logic", at(r" (&&|\|\||&|\|) ", swap(("&&", "||"), ("&", "|")))),
    ("logic", at(r"!(?=[\w(])", lambda m: [""])),
    ("shift", at(r" (<<|>>) ", swap(("<<", ">>")))),
    ("shift", at(r"(?<=(?:<<|>>) )(\w+)\b", nudged)),
    ("step", at(r"(\+|-)\1(\w+)", lambda m: [f"{m[2]} {m[1]}= 2"])),
    ("bound", bounds),
    ("operands", swapped_operands),
    ("subscript", at(r"\[([A-Za-z_]\w*)\]", lambda m: [f"[{m[1]} + 1]", "[0]"])),
    ("mask", at(r"(?<=mask_of\()([^()\n]+)(?=\))", nudged)),
    ("mask", at(r" \| (?:k\d|T_z)\b", lambda m: [""])),
    ("type", at(rf"\b({words(*SIGNEDNESS)})\b", swap(*SIGNEDNESS))),
    ("statement", statements),
    ("branch", branches),
    ("instruction", at(rf"\b_mm\w*?({words(*NAMES)})\w*\b", swap(*NAMES))),
    ("instruction", at(rf"\b({words(*IMMEDIATES)})\b", swap(*IMMEDIATES))),
]
REGISTER = r"\b(?:[re](?:[abcd]x|[sd]i|bp)|r(?:8|9|1[0-5])[db]?|[xyz]mm\d+|k[1-7])\b"
GENERATOR = [
    *CPP,
    ("instruction", at(rf"\b({words(*XBYAK)})(?=\()", swap(*XBYAK))),
    ("register", at(REGISTER, other_registers)),
    ("condition", at(rf"\bj({words(*CODES)})(?=\()", swap(*CODES))),
]
ASSEMBLY = [
    *SHARED,
    ("sign", at(rf"(?<=[\]\w]) ({words(*BINARY)}) (?=[\w(])", swap(*BINARY))),
    ("instruction", at(rf"(?<![\w.])({words(*NASM)})\b(?!:)", swap(*NASM))),
    ("register", at(REGISTER + r"|\bst[0-7]\b", other_registers)),
    ("condition", at(rf"(?<![\w.])(?:j|set|f?cmov)({words(*CODES)})\b", other_conditions)),
    ("statement", instructions),
]


def edits(path, text):
    """All edits of a file, ordered by line and operator."""
    assembly = path.endswith((".asm", ".inc"))
    code = code_of(text, assembly)
    table = ASSEMBLY if assembly else GENERATOR if "/jit" in path else CPP
    found = {}  # the first operator that makes an edit names it
    for operator, find in table:
        for start, end, new in find(code):
            if text[start:end] != new:
                found.setdefault((start, end, new), operator)
    numbers = {}
    result = []
    for (start, end, new), operator in sorted(found.items()):
        key = (text.count("\n", 0, start) + 1, operator)
        numbers[key] = numbers.get(key, 0) + 1
        result.append(Edit(*key, numbers[key], start, end, new))
    return result
