#!/usr/bin/env python3
"""The harness's own test by mutation: makes one-point edits of the variants' code, and sees `assay check` find each.

  ci/mutate.py [--build FOLDER] [--seed N] [--mutants N] [--minutes M] [--kernel GLOB] [--variant GLOB] [--check-seeds N,N...]
               [--json FILE] [--again] [--survivors] [--report FILE] [--allow N]
  ci/mutate.py --mutant ID    one mutant again, with its diff; its ID is kernel/variant:file:line:operator:number

A mutant is an edit (ci/mutations.py) of what a variant is made of, compiled and linked as the build does it, in a temporary
folder. An edit that does not compile, or changes nothing in the object, is none. Every variant is given some, of each of its
operators in turn: which follows from the seed. --check-seeds: those of `assay check`; a mutant that passes with the first is
tried with the others, and is a survivor if it passes with all. --again: what FILE of --json holds already is not run again,
but with --survivors those that survived and are no equivalents are: were the holes that they found closed?
Survivors that are no defects, and why, stand in ci/mutants_equivalent.txt. --allow: so many others may survive, which a sample of new
code needs, as one in twenty edits is a matter of speed and nobody has said so yet; they are printed, and a whole run allows none.
Exit status: 0 all others were caught, but for so many; 1 more were not, or only by a later seed, or the check itself went wrong;
2 wrong usage, or an entry of that file that fits no edit.
"""
import argparse
import collections
import dataclasses
import fnmatch
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import mutation_report
from mutation_report import diff_of, edits_of, is_mutant

ROOT = mutation_report.ROOT
TRIES = 12  # edits of a variant that may be no mutants until it is passed over
COMPILE_SECONDS = 120
CHECK_SECONDS = 300
SAMPLE_SECONDS = 10  # of the check: a loop without end is found by it


# What quantize_<format> alone runs of kernels/formats/: generators keep it in their objects, as a format's description names it.
ENCODERS = re.compile(r"\b(\w+_encode|encode_two_bits|tq1_0_byte|signed_most|are_finite|is_finite_float|round_half_away|inverse_of|kept_scale|write_scale|"
                      r"range_of|float_to_half|write_nibbles|write_planes_of_two_bits)\(")


def is_for_encoders(path, block):
    """Whether nothing else runs this function (its numbered lines) of a header of kernels/formats/."""
    head = next((line for _, line in block if line.startswith("static")), "")
    return path.endswith("formats/search.h") or (path.startswith("kernels/formats/") and bool(ENCODERS.search(head)))


def is_shared(path):
    """Whether it holds functions of which a variant needs some: most edits would be none."""
    return path.startswith(("kernels/shared/", "kernels/formats/")) and "jit" not in path and path.endswith(".h")


# ---- what the build says ----
@dataclasses.dataclass
class Object:
    output: str  # relative to the build folder
    source: str  # relative to the repository
    command: list
    files: list = dataclasses.field(default_factory=list)  # of kernels/ that are compiled into it


def included(path, command, found):
    """The files of kernels/ that a source includes. A contract is no code: kernel.h is left out."""
    text = (ROOT / path).read_text(encoding="utf-8")
    names = re.findall(r'^[#%]include "(kernels/[^"]+)"', text, re.M)
    names += [m[1] for macro in re.findall(r"^#include (FORMAT_\w+)", text, re.M)
              for m in [re.search(rf'-D{macro}="([^"]+)"', " ".join(command))] if m]
    for name in names:
        if name not in found and not name.endswith("/kernel.h"):
            found.append(name)
            included(name, command, found)
    return found


class Build:
    def __init__(self, folder):
        self.folder = folder.resolve()
        if not (self.folder / "assay").is_file():
            raise mutation_report.Error(f"{folder}/assay is missing: build it first (--build names another folder)")
        wanted = self.run(["ninja", "-t", "commands", "assay"]).stdout.splitlines()
        link = next(line for line in reversed(wanted) if " -o assay " in line)
        self.link = shlex.split(link.removeprefix(": && ").removesuffix(" && :"))
        linked = set(self.link)
        self.objects = {}
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            command = shlex.split(entry["command"])
            output = command[command.index("-o") + 1]
            source = str(pathlib.Path(entry["file"])).removeprefix(f"{ROOT}/")
            if output in linked and source.startswith("kernels/") and not source.endswith("/contract.c"):
                self.objects[output] = Object(output, source, command, included(source, command, [source]))
        self.variants = self.read_variants()

    def run(self, command, seconds=60):
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=seconds, check=True)

    def read_variants(self):
        """kernel/variant -> its objects: those that define its functions, and what these call. Left out are what this CPU does
        not run, and the compiler's own variants: they are scalar.cpp again."""
        defined, used = {}, collections.defaultdict(list)
        for line in self.run(["nm", "-A", "-P", *self.objects]).stdout.splitlines():
            output, symbol, kind = line.replace(": ", " ", 1).split()[:3]
            if kind == "U":
                used[output].append(symbol)
            elif kind.isupper():
                defined[symbol] = output
        listed = json.loads(self.run(["./assay", "list", "--json"]).stdout)
        runnable = {f"{v['kernel']}/{v['variant']}" for v in listed if v["runnable"]}
        variants = {}
        row = re.compile(r'\{"(\w+)", "(\w+)", "[^"]*", (\w+), (\w+), \w+, "([^"]*)"')
        for kernel, isa, function, pack, nickname in row.findall((self.folder / "registry.cpp").read_text()):
            if not isa.startswith("auto_"):
                found = [defined[function]]
                for symbol in [pack, *used[defined[function]], *used[defined.get(pack)]]:
                    if defined.get(symbol, found[0]) not in found:
                        found.append(defined[symbol])
                variants[f"{kernel}/{isa}" + (f"-{nickname}" if nickname else "")] = [self.objects[o] for o in found]
        return {name: objects for name, objects in variants.items() if name in runnable}

    def live(self, variant, path, cache={}):
        """The lines of a shared header but for functions that the variant has not, as its line numbers for debuggers tell, or does not run."""
        key = (variant, path)
        if key not in cache:
            outputs = [thing.output for thing in self.variants[variant] if path in thing.files]
            listing = self.run(["objdump", "--dwarf=decodedline", *outputs]).stdout
            coded = {int(n) for n in re.findall(rf"^{re.escape(pathlib.Path(path).name)} +(\d+) ", listing, re.M)}
            told = re.search(r"^\S+\.(?:c|cpp) +\d+ ", listing, re.M)  # a build without them says nothing
            cache[key], block = set(), []
            for number, line in enumerate(edits_of(path)[0].split("\n"), 1):
                block.append((number, line))
                if line.startswith("}") or (line.startswith("static") and line.endswith("}")):
                    no_function = not any(") {" in text for _, text in block)
                    runs = variant.startswith("quantize_") or not is_for_encoders(path, block)
                    if runs and (no_function or not told or not coded.isdisjoint(n for n, _ in block)):
                        cache[key].update(n for n, _ in block)
                    block = []
        return cache[key]


# ---- a mutant: compiled, linked, checked ----
class Workshop:
    """A temporary folder with a copy of kernels/, one file of which is edited at a time."""

    def __init__(self, build, folder):
        self.build = build
        self.folder = pathlib.Path(folder)
        shutil.copytree(ROOT / "kernels", self.folder / "kernels")
        self.pure = {}  # output -> its bytes in the build

    def stripped(self, path):
        to = self.folder / "stripped.o"
        self.build.run(["objcopy", "--strip-debug", "--discard-all", str(path), str(to)])
        return to.read_bytes()

    def compile(self, thing, to):
        """Whether it compiles."""
        command = [f"-I{self.folder}" if word == f"-I{ROOT}" else word for word in thing.command]
        command[command.index("-o") + 1] = str(to)
        command[-1] = str(self.folder / thing.source)
        try:
            return subprocess.run(command, cwd=self.build.folder, capture_output=True, timeout=COMPILE_SECONDS).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def make(self, variant, path, edit):
        """An assay with the edit in that variant alone; or what it is instead."""
        text, _ = edits_of(path)
        (self.folder / path).write_text(edit.apply(text), encoding="utf-8")
        link = [*self.build.link, "-Wl,--strip-debug"]  # half the time
        changed = False
        try:
            for thing in self.build.variants[variant]:
                if path in thing.files:
                    to = self.folder / f"{len(link)}_{pathlib.Path(thing.output).parent.name}_{pathlib.Path(thing.output).name}"
                    if not self.compile(thing, to):
                        return "does not compile"
                    if thing.output not in self.pure:
                        self.pure[thing.output] = self.stripped(self.build.folder / thing.output)
                    if self.stripped(to) != self.pure[thing.output]:
                        changed = True
                        link[link.index(thing.output)] = str(to)
            if not changed:
                return "same code"
            link[link.index("-o") + 1] = str(self.folder / "assay")
            self.build.run(link, COMPILE_SECONDS)
            return "linked"
        finally:
            (self.folder / path).write_text(text, encoding="utf-8")

    def passes(self, variant, seed):
        """Whether the variant does as it is: else it would not be the edit that is caught."""
        shutil.copy(self.build.folder / "assay", self.folder / "assay")
        return self.check(variant, seed)["status"] == "survived"

    def check(self, variant, seed):
        """What `assay check` says: status, caught by, samples, seconds."""
        kernel, label = variant.split("/")
        command = [str(self.folder / "assay"), "check", "--kernel", kernel, "--variant", label, "--seed", str(seed), "--jobs", "1",
                   "--timeout", str(SAMPLE_SECONDS), "--no-shrink", "--json"]
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        try:
            out, _ = process.communicate(timeout=CHECK_SECONDS)
            code = process.returncode
        except subprocess.TimeoutExpired:
            out, code = b"", "no end"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # what it may have left behind
            except ProcessLookupError:
                pass
        seconds = round(time.monotonic() - start, 2)
        verdict = {}
        if code in (0, 1):
            try:
                verdict = json.loads(out)[0]
            except (ValueError, IndexError, KeyError):
                code = f"exit status {code}, no JSON"
        status = {0: "survived", 1: "killed", 3: "not run"}.get(code, f"odd: {code} {out[-300:].decode(errors='replace')}")
        return {"status": status, "caught_by": verdict.get("caught_by", ""), "samples": verdict.get("samples", 0),
                "seconds": seconds}


def record_of(variant, path, edit):
    old, new = edit.lines(edits_of(path)[0])
    name = f"{variant}:{path}:{edit.line}:{edit.operator}:{edit.number}"
    return {"id": name, "variant": variant, "file": path, "operator": edit.operator, "old": old, "new": new}


def tried(workshop, variant, path, edit, seeds):
    """One edit's record: of no mutant, or of what the checks said, the last of them."""
    record = {**record_of(variant, path, edit), "first_seed": seeds[0]}
    made = workshop.make(variant, path, edit)
    if made != "linked":
        return {**record, "status": made}
    for seed in seeds:
        record = {**record, **workshop.check(variant, seed), "seed": seed}
        if record["status"] != "survived":
            break
    return record


def drawn(build, variant, seed):
    """The edits of a variant in the order in which they are tried: its operators in turn, an edit of each."""
    chance = random.Random(f"{seed} {variant}")
    of_operator = collections.defaultdict(list)
    for path in dict.fromkeys(f for thing in build.variants[variant] for f in thing.files):
        for edit in edits_of(path)[1]:
            if not is_shared(path) or edit.line in build.live(variant, path):
                of_operator[edit.operator].append((path, edit))
    for edits in of_operator.values():
        chance.shuffle(edits)
    while of_operator:
        for operator in chance.sample(sorted(of_operator), len(of_operator)):
            yield of_operator[operator].pop()
            if not of_operator[operator]:
                del of_operator[operator]


def weight(build, variant):
    """How many mutants a variant is given: as the root of its code, so that the large ones get more and the small ones some."""
    files = {f for thing in build.variants[variant] for f in thing.files if not is_shared(f)}
    return (100 + sum(len(edits_of(f)[1]) for f in files)) ** 0.5


def run(arguments, build, workshop, results, save):
    """Mutants until there are enough, or the time is over."""
    end = time.monotonic() + 60 * arguments.minutes
    variants = [v for v in sorted(build.variants) if fnmatch.fnmatch(v.split("/")[0], arguments.kernel)
                and fnmatch.fnmatch(v.split("/")[1], arguments.variant)]
    if not variants:
        raise mutation_report.Error("no variant has such a name")
    random.Random(arguments.seed).shuffle(variants)
    seen = collections.Counter(r["variant"] for r in results)  # of an earlier run: these edits are drawn, and passed over
    edits = {v: drawn(build, v, arguments.seed) for v in variants}
    count = sum(is_mutant(r) for r in results)
    for variant in variants:
        for _ in range(seen[variant]):
            next(edits[variant], None)
    given = collections.Counter(r["variant"] for r in results if is_mutant(r))
    weights = {v: weight(build, v) for v in variants}
    while variants and count < arguments.mutants:
        variant = min(variants, key=lambda v: ((given[v] + 1) / weights[v], variants.index(v)))
        for _ in range(TRIES):
            at = next(edits[variant], None)
            if at is None or time.monotonic() > end:
                break
            results.append(tried(workshop, variant, *at, arguments.check_seeds))
            save()
            if is_mutant(results[-1]):
                break
        if time.monotonic() > end:
            return
        if not results or results[-1]["variant"] != variant or not is_mutant(results[-1]):
            variants.remove(variant)
            continue
        given[variant] += 1
        count += 1
        if sys.stderr.isatty():
            print(f"\r{count} of {arguments.mutants}", end="", file=sys.stderr)


def header_of(seed, check_seeds):
    measured = ["kernels", "harness", "reference", "include", "runner", "CMakeLists.txt"]
    git = subprocess.run(["git", "log", "-1", "--format=%h", "--", *measured], cwd=ROOT, capture_output=True, text=True)
    info = pathlib.Path("/proc/cpuinfo").read_text()
    cpu = {key: re.search(rf"^{key}\s*: (.*)$", info, re.M)[1] for key in ("model name", "cpu family", "model", "stepping")}
    return {"commit": git.stdout.strip() or "unknown", "seed": seed, "seeds of the checks": ", ".join(map(str, check_seeds)),
            "CPU": f"{cpu['model name']}, family {cpu['cpu family']}, model {cpu['model']}, stepping {cpu['stepping']}"}


def one_mutant(workshop, name, seeds):
    parts = re.fullmatch(r"(.+):(kernels/.+):(\d+):(\w+):(\d+)", name)
    variant, path, *which = parts.groups() if parts else ("", "", "")
    for edit in edits_of(path)[1] if variant in workshop.build.variants and (ROOT / path).is_file() else []:
        if [str(edit.line), edit.operator, str(edit.number)] == which:
            return [tried(workshop, variant, path, edit, seeds)]
    raise mutation_report.Error(f"there is no mutant {name}: another version of the file, or of ci/mutations.py, may have had it")


def try_survivors(workshop, data, entries, seeds, save):
    """What survived in an earlier run and is no equivalent, with the harness of today. Lines may have moved."""
    data["header"]["survivors tried again with commit"] = header_of(0, seeds)["commit"]
    for record in mutation_report.judge(data["results"], entries):
        if record["status"] not in ("survived", "not run") or record["verdict"] == "equivalent":
            continue
        record["since"] = ""
        text, edits = edits_of(record["file"])
        same = [e for e in edits if (e.operator, *e.lines(text)) == (record["operator"], record["old"], record["new"])]
        if same and workshop.passes(record["variant"], seeds[0]):
            edit = min(same, key=lambda e: abs(e.line - int(record["id"].split(":")[2])))
            now = tried(workshop, record["variant"], record["file"], edit, seeds)
            record["since"] = now["caught_by"] if now["status"] == "killed" else ""
        save()


def parsed(words):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--kernel", default="*")
    parser.add_argument("--variant", default="*")
    parser.add_argument("--check-seeds", type=lambda text: [int(n) for n in text.split(",")], default=[1])
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--survivors", action="store_true")
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--allow", type=int, default=0)
    parser.add_argument("--mutant")
    return parser.parse_args(words)


def main(words):
    arguments = parsed(words)
    if (arguments.again or arguments.survivors) and not (arguments.again and arguments.json):
        raise mutation_report.Error("--again needs --json FILE, and --survivors needs --again")
    entries = mutation_report.read_equivalent()
    data = {"header": header_of(arguments.seed, arguments.check_seeds), "results": []}
    if arguments.again and arguments.json.is_file():
        old = json.loads(arguments.json.read_text())
        if old["header"]["seed"] != arguments.seed:
            raise mutation_report.Error(f"{arguments.json} is of the seed {old['header']['seed']}")
        data = old
    results = data["results"]

    def save():
        if arguments.json:
            part = arguments.json.with_suffix(".part")
            part.write_text(json.dumps(data, indent=1))
            part.replace(arguments.json)

    if arguments.survivors or sum(map(is_mutant, results)) < arguments.mutants:
        build = Build(arguments.build)
        with tempfile.TemporaryDirectory(prefix="assay_mutate_") as folder:
            workshop = Workshop(build, folder)
            if arguments.mutant:
                results[:] = one_mutant(workshop, arguments.mutant, arguments.check_seeds)
                save()
                said = {k: v for k, v in results[0].items() if k not in ("id", "old", "new", "first_seed")}
                print(f"{diff_of(results[0])}    {json.dumps(said)}")
            elif arguments.survivors:
                try_survivors(workshop, data, entries, arguments.check_seeds, save)
            else:
                run(arguments, build, workshop, results, save)
    mutants = mutation_report.judge(results, entries)
    text = mutation_report.report(data["header"], results, mutants)
    if arguments.report:
        arguments.report.write_text(text)
    if not arguments.mutant:
        print(text, end="")
    wrong = collections.Counter(m["verdict"] for m in mutants)
    return 1 if wrong["survived"] + wrong["rare"] > arguments.allow or wrong["not run"] or wrong["odd"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except mutation_report.Error as error:
        print(error, file=sys.stderr)
        sys.exit(2)
