"""Runs an x86-64 program on an emulated CPU.

  ci/emulate.sh [--in FILE]... [--out FILE]... [--timeout SECONDS] CPU -- PROGRAM ARGUMENTS...
  ci/emulate.sh --list

The program sees the folder it is started in and its files at the same paths as here. Under Bochs it runs in a machine
of its own, into which go the program with its shared libraries, every argument that names a file, and each --in FILE (say, one named inside a
longer argument); each --out FILE that it wrote comes back. Standard input is empty. Its standard output, standard error
and exit status come through; a signal N is named on standard error and gives the status 128+N.

Other exit statuses: 124 cut off after the timeout, 125 the emulated machine itself failed, 127 the program cannot be
started, 2 wrong usage, 3 a package is missing.
"""
import dataclasses
import os
import resource
import shutil
import signal
import subprocess
import sys

import bochs


@dataclasses.dataclass(frozen=True)
class EmulatedCpu:
    name: str
    has: str
    emulator: str
    model: str


# qemu-user 7.2 takes CPUID from the model and raises SIGILL for what the model lacks. It has no AVX-512, and its masked
# loads of AVX (VMASKMOVPS, VPMASKMOVD) read the whole vector: they fault where a CPU would not, so CPUs with AVX2 go to
# Bochs too. "check=off" keeps it from warning of features that a program in user mode never sees. Bochs 2.7 has all up
# to Tiger Lake (`bochs-bin --help cpu`); its one recent AMD CPU is Zen 1, with the ISAs of Zen 3, though not its VAES.
CPUS = {
    cpu.name: cpu
    for cpu in (
        EmulatedCpu("x86-64", "SSE2", "qemu-user", "qemu64,-sse3,-cx16,-lahf-lm"),
        EmulatedCpu("conroe", "SSSE3", "qemu-user", "Conroe,+cx16,check=off"),
        EmulatedCpu("nehalem", "SSE4.2, POPCNT: x86-64-v2", "qemu-user", "Nehalem,check=off"),
        EmulatedCpu("sandybridge", "AVX", "qemu-user", "SandyBridge,check=off"),
        EmulatedCpu("haswell", "AVX2, FMA, F16C, BMI2: x86-64-v3", "bochs", "corei7_haswell_4770"),
        EmulatedCpu("zen3", "AVX2, FMA, F16C, BMI2: x86-64-v3, AMD's", "bochs", "ryzen"),
        EmulatedCpu("skylake-x", "AVX-512 F CD BW DQ VL: x86-64-v4", "bochs", "corei7_skylake_x"),
        EmulatedCpu("cannonlake", "and IFMA VBMI", "bochs", "corei3_cnl"),
        EmulatedCpu("icelake", "and VBMI2 VNNI BITALG VPOPCNTDQ GFNI VAES", "bochs", "corei7_icelake_u"),
        EmulatedCpu("tigerlake", "and VP2INTERSECT", "bochs", "tigerlake"),
    )
}


def qemu_program():
    return shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")


def missing_packages(cpu):
    """The Debian packages that are not there and without which this CPU cannot be emulated."""
    if cpu.emulator == "qemu-user":
        return [] if qemu_program() else ["qemu-user"]
    return bochs.missing_packages()


def run_process(cpu, command, timeout, **streams):
    """Through qemu-user, or on this machine where cpu is None. Returns (exit status or minus signal, standard output,
    standard error); None for what `streams` does not ask for. Status 124: cut off."""
    emulator = [qemu_program(), "-cpu", cpu.model] if cpu else []
    # A core dump of the emulator is of no use, and the program must not outlive a killed script.
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *emulator, *command],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        **streams,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return 124, out, err
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, out, err


def run_captured(cpu, command, timeout):
    return run_process(cpu, command, timeout, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def resolve(program):
    """The path of a program; one that is nowhere is left as it is, for the emulator to complain of."""
    return program if "/" in program else shutil.which(program) or program


def files_among(words):
    """Arguments that name a file, to be put where the program looks for them."""
    return [w for w in words if os.path.isfile(w) and not os.path.abspath(w).startswith(("/proc/", "/sys/", "/dev/"))]


def fail(text, status):
    print(f"emulate: {text}", file=sys.stderr)
    raise SystemExit(status)


def print_list():
    print(f"{'CPU':<12} {'emulator':<10} {'model':<28} {'has':<42} missing packages")
    for cpu in CPUS.values():
        missing = " ".join(missing_packages(cpu)) or "none"
        print(f"{cpu.name:<12} {cpu.emulator:<10} {cpu.model:<28} {cpu.has:<42} {missing}")


def parse(words):
    """Returns (options, command). Written by hand: argparse drops the `--` that ends our own words."""
    options = {"in": [], "out": [], "timeout": "600", "cpu": None}
    rest = iter(words)
    for word in rest:
        name, has_value, value = word.removeprefix("--").partition("=")
        if word in ("--help", "-h"):
            print(__doc__.strip())
            raise SystemExit(0)
        if word == "--":
            break
        if word == "--list":
            print_list()
            raise SystemExit(0)
        if word.startswith("--") and name in ("in", "out", "timeout"):
            value = value if has_value else next(rest, None)
            if value is None:
                fail(f"--{name} needs a value", 2)
            options[name] = options[name] + [value] if name != "timeout" else value
        elif word.startswith("-") or options["cpu"]:
            fail(
                f"unexpected '{word}'; usage: ci/emulate.sh [--in FILE] [--out FILE] [--timeout S] CPU -- PROGRAM...",
                2,
            )
        else:
            options["cpu"] = word
    command = list(rest)
    if options["cpu"] not in CPUS:
        fail(f"unknown CPU '{options['cpu'] or ''}'; they are: {', '.join(CPUS)}", 2)
    if not command:
        fail("no program given: put it after `--`", 2)
    try:
        options["timeout"] = float(options["timeout"])
        if not options["timeout"] > 0:
            raise ValueError
    except ValueError:
        fail(f"--timeout {options['timeout']}: give a number of seconds above 0", 2)
    for name in options["in"]:
        if not os.path.isfile(name):
            fail(f"--in {name}: no such file", 2)
    return options, command


def main(words):
    options, command = parse(words)
    cpu, timeout = CPUS[options["cpu"]], options["timeout"]
    missing = missing_packages(cpu)
    if missing:
        fail(f"cannot emulate {cpu.name}: missing Debian packages: {' '.join(missing)}", 3)
    command[0] = resolve(command[0])
    if not os.path.isfile(command[0]):
        fail(f"{command[0]}: no such program", 127)
    if cpu.emulator == "qemu-user":
        status, _, _ = run_process(cpu, command, timeout)
        for name in options["out"]:
            if not os.path.exists(name):
                print(f"emulate: the program wrote no file {name}", file=sys.stderr)
                status = status or 125
    else:
        streams = {"O": sys.stdout.buffer, "E": sys.stderr.buffer}

        def pass_on(kind, index, payload):
            if kind in streams:
                streams[kind].write(payload)
                streams[kind].flush()

        try:
            machine = bochs.Machine(cpu.model, [command], files_among(command) + options["in"], options["out"])
            machine.run(timeout, pass_on)
        except bochs.MissingPackage as missing_package:
            fail(f"cannot emulate {cpu.name}: {missing_package}", 3)
        except bochs.MachineFailed as failure:
            fail(str(failure), 125)
        for note in machine.notes:
            print(f"emulate: {note}", file=sys.stderr)
        status = machine.statuses[0] if not machine.timed_out else 124
        status = status or (125 if machine.notes else 0)
    if status == 124:
        print(
            f"emulate: cut off: {command[0]} had not ended on the emulated {cpu.name} after {timeout:g} s (--timeout)",
            file=sys.stderr,
        )
    elif status < 0:
        how = f"signal {-status} ({signal.strsignal(-status)})"
        print(f"emulate: {command[0]} was ended by {how} on the emulated {cpu.name}", file=sys.stderr)
        status = 128 - status
    return status


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
