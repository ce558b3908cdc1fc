"""A Debian kernel in Bochs 2.7, booted once to run any number of command lines: CPUs with AVX-512 on any host. A program's
shared libraries go along. What the pieces say to each other is in guest_init.c."""
import fcntl
import glob
import hashlib
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "assay")
ISOLINUX = "/usr/lib/ISOLINUX/isolinux.bin"
LDLINUX = "/usr/lib/syslinux/modules/bios/ldlinux.c32"
BIOS = "/usr/share/bochs/BIOS-bochs-latest"
VGA_BIOS = "/usr/share/vgabios/vgabios.bin"
# The metapackage of the kernel made for virtual machines: serial port and initial RAM disk are built in.
KERNEL = "linux-image-cloud-amd64"

# Leaf 0xD of the CPUID of Bochs 2.7 is wrong: without the cleared bits the kernel drops AVX altogether or hangs. On
# AMD it delays by MWAITX, from which Bochs never wakes. The rest saves emulated instructions or keeps time and
# addresses the same in every run.
KERNEL_LINE = (
    "console=ttyS0,115200 quiet nosmp mitigations=off nokaslr tsc=reliable random.trust_cpu=on panic=-1 reboot=t "
    "rdinit=/init cryptomgr.notests lsm= audit=0 clearcpuid=fsrm,pku,xsavec,xsaves,mwaitx "
    "initcall_blacklist=trace_eval_init,load_system_certificate_list,ksm_init,cubictcp_register"
)

# The emulated clock counts instructions, 100 million a second. Without the sound line 2.7 aborts where there is no
# ALSA. The display is a VNC server that nobody need look at; a network of its own hides its port (see Machine.run).
CONFIGURATION = """config_interface: textconfig
display_library: rfb, options="timeout=0"
cpu: model={model}, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}
romimage: file={bios}, options=fastboot
vgaromimage: file={vga_bios}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path="boot.iso", status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial.txt
clock: sync=none, time0=946681200
log: bochs.log
panic: action=fatal
error: action=report
port_e9_hack: enabled=1
speaker: enabled=0
sound: driver=dummy, waveout=, wavein=, midiout=
pci: enabled=0
"""
MEMORY_MIB = 512


class MissingPackage(Exception):
    pass


class MachineFailed(Exception):
    pass


def missing_packages():
    """Of Debian, by the files that they bring."""
    needs = [
        ("bochs bochs-term", shutil.which("bochs-bin")),
        ("bochsbios", os.path.exists(BIOS)),
        ("vgabios", os.path.exists(VGA_BIOS)),
        ("isolinux", os.path.exists(ISOLINUX)),
        ("syslinux-common", os.path.exists(LDLINUX)),
        ("genisoimage", shutil.which("genisoimage")),
        ("cpio", shutil.which("cpio")),
        ("gcc", shutil.which("gcc")),
        ("apt", shutil.which("apt-get")),
    ]
    return [package for package, there in needs if not there]


def cached(name, make):
    """The path of CACHE/name, made by make(temporary path) if it is not there: by one process, whole or not at all."""
    path = os.path.join(CACHE, name)
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="making-") as folder:
                made = os.path.join(folder, "made")
                make(made)
                os.rename(made, path)
    return path


def kernel():
    """Path of the kernel, unpacked and not installed: its package would put a boot loader's hooks to work."""

    def make(path):
        folder = os.path.dirname(path)
        depends = subprocess.run(["apt-cache", "depends", KERNEL], capture_output=True, text=True).stdout
        found = re.search(r"Depends: (linux-image-\S+)", depends)
        if not found:
            raise MissingPackage(f"apt knows no package {KERNEL}; run apt-get update")
        download = subprocess.run(["apt-get", "download", "-q", found[1]], cwd=folder, capture_output=True, text=True)
        packages = glob.glob(os.path.join(folder, "*.deb"))
        if download.returncode != 0 or len(packages) != 1:
            raise MissingPackage(f"apt-get cannot download the package {found[1]}: {download.stderr.strip()}")
        subprocess.run(["dpkg", "-x", packages[0], os.path.join(folder, "unpacked")], check=True)
        os.rename(glob.glob(os.path.join(folder, "unpacked/boot/vmlinuz-*"))[0], path)

    return cached(KERNEL + ".vmlinuz", make)


def compiled(name):
    """Path of the static program made from ci/NAME.c."""
    source = os.path.join(HERE, name + ".c")
    with open(source, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    return cached(
        f"{name}-{digest}",
        lambda path: subprocess.run(["gcc", "-std=c17", "-Os", "-static", "-s", "-o", path, source], check=True),
    )


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries_of(path):
    """The shared libraries that a program or library needs and that are installed, its loader among them; none of another file."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout if is_elf(path) else ""
    return re.findall(r"(/\S+) \(0x", listed)


def nul_ended(words):
    return b"".join(os.fsencode(word) + b"\0" for word in words)


class Machine:
    """One boot. `commands` are lists of words, `inputs` files that appear in the guest at the same absolute path,
    `outputs` files that come back to the same path."""

    def __init__(self, model, commands, inputs, outputs):
        self.model, self.commands, self.outputs = model, commands, outputs
        self.inputs = {os.path.abspath(path) for path in [*inputs, *(c[0] for c in commands)]}
        self.inputs |= {library for path in self.inputs for library in libraries_of(path)}
        self.statuses = [None] * len(commands)  # exit status or minus signal; None: not ended
        self.notes = []  # what went wrong without ending the machine
        self.timed_out = False
        self.booted_after = None  # seconds

    def run(self, timeout, on_frame):
        """Calls on_frame(kind, index, bytes) for the output of the commands as it comes: O, E and S of guest_init.c."""
        with tempfile.TemporaryDirectory(prefix="assay-bochs-") as folder:
            self._write_disc(folder)
            with open(os.path.join(folder, "bochsrc"), "w") as file:
                file.write(CONFIGURATION.format(model=self.model, memory=MEMORY_MIB, bios=BIOS, vga_bios=VGA_BIOS))
            with open(os.path.join(folder, "rc"), "w") as file:
                file.write("c\nquit\n")  # Debian's build starts in the debugger
            command = ["setpriv", "--pdeathsig", "KILL", "bochs-bin", "-q", "-f", "bochsrc", "-rc", "rc"]
            apart = ["unshare", "--map-root-user", "--net"]
            if subprocess.run([*apart, "true"], stderr=subprocess.DEVNULL).returncode == 0:
                command = apart + command  # else Bochs takes the next free port from 5900 on
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                if not self._read_frames(process.stdout, timeout, on_frame):
                    raise MachineFailed(
                        f"the emulated machine ({self.model}) ended too early:\n{self._last_words(folder)}"
                    )
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                process.stdout.close()

    def _write_disc(self, folder):
        root = os.path.join(folder, "root")
        disc = os.path.join(folder, "disc")
        os.makedirs(os.path.join(root, "assay"))
        os.makedirs(os.path.join(root, "tmp"))
        os.makedirs(os.path.join(disc, "isolinux"))
        os.makedirs(root + os.getcwd(), exist_ok=True)
        for path in self.outputs:
            os.makedirs(root + os.path.dirname(os.path.abspath(path)), exist_ok=True)
        for path in self.inputs:
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            shutil.copy(path, root + path)
        for program in {os.path.abspath(c[0]) for c in self.commands}:
            if is_elf(program):  # what is for a debugger would take much of the machine's memory
                subprocess.run(["strip", "--strip-debug", root + program], check=True)
        shutil.copy(compiled("guest_init"), os.path.join(root, "init"))
        with open(os.path.join(root, "assay/commands"), "wb") as file:
            file.write(nul_ended([os.getcwd()]) + b"".join(nul_ended([str(len(c)), *c]) for c in self.commands))
        with open(os.path.join(root, "assay/outputs"), "wb") as file:
            file.write(nul_ended(os.path.abspath(path) for path in self.outputs))
        names = [
            os.path.relpath(os.path.join(at, name), root)
            for at, folders, files in os.walk(root)
            for name in folders + files
        ]
        with open(os.path.join(disc, "initrd"), "wb") as archive:
            subprocess.run(
                ["cpio", "--create", "--format=newc", "--owner=0:0", "--null", "--quiet"],
                check=True,
                cwd=root,
                input=nul_ended(names),
                stdout=archive,
            )
        size = os.path.getsize(os.path.join(disc, "initrd")) >> 20
        if size > MEMORY_MIB // 4:  # the archive and its unpacked files are there at once
            raise MachineFailed(
                f"the program and its files are {size} MiB; the emulated machine takes {MEMORY_MIB // 4} MiB"
            )
        shutil.copy(kernel(), os.path.join(disc, "vmlinuz"))
        shutil.copy(ISOLINUX, os.path.join(disc, "isolinux"))
        shutil.copy(LDLINUX, os.path.join(disc, "isolinux"))
        with open(os.path.join(disc, "isolinux/isolinux.cfg"), "w") as file:
            file.write(
                f"default assay\nprompt 0\nlabel assay\nkernel /vmlinuz\ninitrd /initrd\nappend {KERNEL_LINE}\n"
            )
        subprocess.run(
            [
                "genisoimage",
                "-quiet",
                "-o",
                os.path.join(folder, "boot.iso"),
                "-b",
                "isolinux/isolinux.bin",
                "-c",
                "isolinux/boot.cat",
                "-no-emul-boot",
                "-boot-load-size",
                "4",
                "-boot-info-table",
                disc,
            ],
            check=True,
        )
        shutil.rmtree(root)
        shutil.rmtree(disc)

    def _read_frames(self, stream, timeout, on_frame):
        """False: the machine ended without saying so. What Bochs itself says between the frames is skipped."""
        begin = time.monotonic()
        text = b""
        files = {}
        while True:
            left = begin + timeout - time.monotonic()
            if left <= 0:
                self.timed_out = True
                return True
            if not select.select([stream], [], [], left)[0]:
                continue
            more = os.read(stream.fileno(), 1 << 16)
            if not more:
                return False
            text += more
            while head := re.search(rb"\x1e([A-Z]) (\d+) (\d+)\n", text):
                end = head.end() + int(head[3])
                if len(text) < end:
                    break
                kind, index, payload = head[1].decode(), int(head[2]), text[head.end() : end]
                text = text[end:]
                if kind == "B":
                    self.booted_after = time.monotonic() - begin
                elif kind == "F":
                    files[index] = files.get(index, b"") + payload
                elif kind == "M":
                    files.pop(index)
                    self.notes.append(f"the program wrote no file {self.outputs[index]} ({payload.decode()})")
                elif kind == "Q":
                    if index != 0:
                        raise MachineFailed(f"the emulated machine failed: {payload.decode()}")
                    for number, contents in files.items():
                        with open(self.outputs[number], "wb") as file:
                            file.write(contents)
                    return True
                else:
                    if kind == "S":
                        how, number = payload.decode().split()
                        self.statuses[index] = -int(number) if how == "signal" else int(number)
                    on_frame(kind, index, payload)

    @staticmethod
    def _last_words(folder):
        lines = []
        for name in ("serial.txt", "bochs.log"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    lines += [f"  {name}: {line.rstrip()}" for line in file.readlines()[-6:]]
        return "\n".join(lines)
