"""What the mutants of ci/mutate.py come to: which survivors are no defects (ci/mutants_equivalent.txt), and the report."""
import collections
import fnmatch
import pathlib
import re
import statistics

import mutations

ROOT = pathlib.Path(__file__).resolve().parent.parent
EQUIVALENT = "ci/mutants_equivalent.txt"


class Error(Exception):
    pass


def edits_of(path, cache={}):
    if path not in cache:
        text = (ROOT / path).read_text(encoding="utf-8")
        cache[path] = (text, mutations.edits(path, text))
    return cache[path]


# ---- what survivors are ----
def is_mutant(record):
    return record["status"] not in ("does not compile", "same code")


def read_equivalent():
    """[file, glob of variants, lines in one of which the edit is none, line, edited line, reason]. Each must be an edit that could be
    drawn. A first line ' ', if there is one, is what stands above each: for a line that the file has more than once."""
    entries = []
    text = (ROOT / EQUIVALENT).read_text(encoding="utf-8")
    for block in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.M).strip("\n")):
        first, *rest = block.split("\n")
        path, _, variants = first.partition(" of ")
        above = rest.pop(0).strip() if rest and rest[0][:1] == " " else None
        lines = [line for line in rest if line[:1] in "-+"]
        reason = " ".join(line.strip() for line in rest if line[:1] not in "-+")
        if not (ROOT / path).is_file() or not reason or not lines or len(lines) % 2 or not (
                all(line[0] == sign for i, sign in enumerate("-+") for line in lines[i::2])):
            raise Error(f"{EQUIVALENT}: '{first}' must be a file, and after it lines '-' and '+' in turn, and a reason")
        code, edits = edits_of(path)
        possible = {edit.lines(code) for edit in edits}
        source = [line.strip() for line in code.splitlines()]
        for old, new in zip(lines[::2], lines[1::2]):
            if (old[1:].strip(), new[1:].strip()) not in possible:
                raise Error(f"{EQUIVALENT}: no line of {path} has this edit any more:\n{old}\n{new}")
            places = {number + 1 for number, line in enumerate(source)
                      if line == old[1:].strip() and above in (None, source[number - 1])}
            if not places:
                raise Error(f"{EQUIVALENT}: no such line of {path} stands below this one any more:\n{above}")
            entries.append((path, variants or "*", places, old[1:].strip(), new[1:].strip(), reason))
    return entries


def judge(records, entries):
    """Adds to each mutant what it comes to: killed, equivalent with its reason, rare (a later seed killed it), since (today's
    harness does), survived; not run, where the check blames this machine; odd."""
    for record in records:
        record["verdict"] = record["status"].split(":")[0]
        if record["status"] == "killed" and record["seed"] != record["first_seed"]:
            record["verdict"] = "rare"
        if record.get("since"):
            record["verdict"] = "since"
        for path, variants, places, old, new, reason in entries:
            line = int(record["id"].split(":")[2])
            fits = (record["file"], record["old"], record["new"]) == (path, old, new) and line in places
            if fits and record["verdict"] == "survived" and any(fnmatch.fnmatch(record["variant"], g) for g in variants.split()):
                record.update(verdict="equivalent", reason=reason)
    return [r for r in records if is_mutant(r)]


# ---- what people read ----
def kernel_of(record):
    return record["variant"].split("/")[0]


def isa_of(record):
    return record["variant"].split("/")[1].split("-")[0]


def table(mutants, title, key):
    groups = collections.defaultdict(collections.Counter)
    for m in mutants:
        groups[key(m)][m["verdict"]] += 1
    lines = [f"| {title} | mutants | killed | by a later seed | equivalent | caught since | survived | rate |",
             "|---|---|---|---|---|---|---|---|"]
    for name, n in sorted(groups.items()):
        defects = n.total() - n["equivalent"]
        rate = f"{100 * (n['killed'] + n['rare']) / defects:.1f}%" if defects else ""
        survived = n["survived"] + n["odd"] + n["not run"]
        counts = [n.total(), n["killed"], n["rare"], n["equivalent"], n["since"], survived]
        lines.append(f"| {name} | {' | '.join(map(str, counts))} | {rate} |")
    return "\n".join(lines) + "\n"


def diff_of(m):
    return f"{m['id']}\n    - {m['old']}\n    + {m['new']}\n"


SECTIONS = {"survived": "Survived", "not run": "Excused: the check said that this machine cannot run it", "odd": "Odd",
            "since": "Survived, and are caught since", "rare": "Only a later seed killed", "equivalent": "Equivalent"}


COUNTED = {"killed": "killed", "rare": "more by a later seed", "equivalent": "equivalent", "since": "survived and are caught since",
           "survived": "survived", "not run": "excused as not runnable", "odd": "odd"}


def report(header, records, mutants):
    killed = [m["seconds"] for m in mutants if m["verdict"] in ("killed", "rare")]
    count = collections.Counter(m["verdict"] for m in mutants)
    nothing = collections.Counter(r["status"] for r in records if not is_mutant(r))
    text = ["# The harness under mutation\n",
            "Made by `ci/mutate.py --report`, never by hand. The rate is what was killed at once, by one of the seeds, of the "
            "mutants that are no equivalents.\n",
            *(f"- {key}: {value}" for key, value in header.items()),
            f"- {len(mutants)} mutants: " + ", ".join(f"{count[verdict]} {what}" for verdict, what in COUNTED.items()),
            f"- {len(records) - len(mutants)} edits were none: " + ", ".join(f"{n} {s}" for s, n in sorted(nothing.items()))]
    if killed:
        text.append(f"- time to kill: median {statistics.median(killed):.2f} s, largest {max(killed):.2f} s, in one process")
    total = table(mutants, "", lambda m: "all")
    for title, key in (("kernel", kernel_of), ("ISA", isa_of), ("operator", lambda m: m["operator"])):
        text.append(f"\n## By {title}\n\n" + table(mutants, title, key) + total.split("\n", 2)[2].rstrip("\n"))
    text.append("\n## What the operators stand for\n\n" + "\n".join(f"- {k}: {v}" for k, v in mutations.OPERATORS.items()))
    by = collections.Counter(m["caught_by"] for m in mutants if m["verdict"] in ("killed", "rare"))
    text.append("\n## What caught them\n\n| check | mutants |\n|---|---|")
    text.extend(f"| {check or '?'} | {n} |" for check, n in by.most_common())
    for verdict, title in SECTIONS.items():
        found = [m for m in mutants if m["verdict"] == verdict]
        if found:
            text.append(f"\n## {title}\n")
        for m in sorted(found, key=lambda m: (m["file"], m["id"])):
            why = {"equivalent": m.get("reason"), "odd": m["status"], "since": f"Caught by {m.get('since')}.",
                   "rare": f"Caught by {m['caught_by']} with seed {m.get('seed')}."}
            text.append(f"```\n{diff_of(m)}```\n{why.get(verdict, '')}".rstrip("\n") + "\n")
    return "\n".join(text).rstrip("\n") + "\n"
