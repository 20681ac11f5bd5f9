"""Runs a program on an emulated processor with AMX: Bochs, with Debian's kernel on it.

    python scripts/amx/emulated.py FOLDER setup
    python scripts/amx/emulated.py FOLDER run PROGRAM [ARGUMENT ...]

`setup` builds Bochs 3.0 in FOLDER (two minutes) and fetches the kernel; it needs Debian with `apt-get install isolinux
syslinux-common xorriso bochsbios vgabios busybox-static cpio g++ make`. `run` boots, runs the program with its shared
libraries on one core, prints what it prints, and exits as it does. The kernel tests of the products, for instance:

    cargo test --release --workspace --lib --no-run          # says where the binaries are
    python scripts/amx/emulated.py FOLDER run target/release/deps/gac_inference-... --test-threads=1 kernel::
"""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

BOCHS = "http://deb.debian.org/debian/pool/main/b/bochs/bochs_3.0+dfsg.orig.tar.xz"
CONFIGURE = ["--enable-x86-64", "--enable-avx", "--enable-evex", "--enable-amx", "--with-nogui", "--enable-pci", "--enable-cdrom",
             "--enable-repeat-speedups", "--enable-handlers-chaining", "--enable-all-optimizations", "--disable-docbook"]

# What is missing or wrong in Bochs 3.0, by file: an expression, what takes its place, and how often.
XFD = "BX_CPU_THIS_PTR msr.ia32_xfd"
MENDED = {
    # Linux lets programs use tiles only where their first use can be trapped (XFD).
    "cpu/cpu.h": [(r"(Bit64u ia32_xss;)", r"\1 Bit64u ia32_xfd; Bit64u ia32_xfd_err;", 1)],
    "cpu/msr.cc": [
        (r"(msr_desc\[BX_MSR_XSS\])", r'msr_desc[BX_MSR_IA32_XFD] = new MSR_Descriptor("XFD", BX_ISA_XSAVES); '
         r'msr_desc[BX_MSR_IA32_XFD_ERROR] = new MSR_Descriptor("XFD_ERR", BX_ISA_XSAVES); \1', 1),
        (r"(case BX_MSR_XSS:\s+if)", rf"case BX_MSR_IA32_XFD: val64 = {XFD}; break; "
         rf"case BX_MSR_IA32_XFD_ERROR: val64 = {XFD}_err; break; \1", 1),
        (r"(case BX_MSR_XSS:\s+\{)", rf"case BX_MSR_IA32_XFD: {XFD} = val_64; handleAvxModeChange(); break; "
         rf"case BX_MSR_IA32_XFD_ERROR: {XFD}_err = val_64; break; \1", 1),
    ],
    "cpu/proc_ctrl.cc": [
        (r"(XTILEDATA_MASK\)\) != 0)\)", rf"\1 || ({XFD} >> 18 & 1))", 1),
        (r"(XTILEDATA_MASK\)\)\s+exception\(BX_UD_EXCEPTION, 0\);)",
         rf"\1 if ({XFD} >> 18 & 1) {{ {XFD}_err |= 1 << 18; exception(BX_NM_EXCEPTION, 0); }}", 1),
    ],
    "cpu/cpuid.cc": [
        (r"(// EBX\[31:00\] - The size)", r"leaf->eax |= 1 << 4;\n    \1", 1),
        (r"(leaf->ecx = \(cpu->ia32_xss_suppmask & [^;]+;)", r"\1 if (subfunction == 18) leaf->ecx |= 4;", 1),
    ],
    # The form of tiles was saved with rows and widths exchanged, and half of their rows; whether they are in use, the other way round.
    "cpu/xsave.cc": [
        (r"(vmm16u\(8\+n\)\s+= .+tilecfg\[n\])\.rows", r"\1.bytes_per_row", 1),
        (r"(vmmubyte\(48\+n\) = .+tilecfg\[n\])\.bytes_per_row", r"\1.rows", 1),
        (r"row < BX_TILE_REGISTERS", "row < BX_TILE_MAX_ROWS", 2),
        (r"tile_use_tracker == 0", "tile_use_tracker != 0", 1),
    ],
    # The second half of a conversion was read behind its input; a short displacement of pairs counted by words.
    "cpu/avx/avx512_bf16.cc": [(r"\(op1\.vmm32u\(n\)\);", "(op1.vmm32u(n - DWORD_ELEMENTS(len)));", 1)],
    "cpu/decoder/ia_opcodes_evex.def": [(r"(VDPBF16PS_VpsHdqWdq_Kmask.*)OP_mVdq32", r"\1OP_mVdq", 1)],
    # Linux 6.1 does not boot with all of these.
    "cpu/cpudb/intel/sapphire_rapids.cc": [
        (r"enable_cpu_extension\(BX_ISA_(RDPID|SCA_MITIGATIONS|CET|UINTR|PKS|PKU|WAITPKG|SERIALIZE|LA57|UMIP|AVX512_FP16|GFNI|MOVDIRI"
         r"|MOVDIR64B|SHA)\);", "", None),
        (r"BX_CPUID_STD7_SUBLEAF\w+_FAST_\w+", "0", None),
    ],
}

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
cd /tmp
echo "=== begin"
/bin/program {arguments}
echo "=== exit $?"
/bin/busybox sleep 2
/bin/busybox poweroff -f
"""

MENU = """DEFAULT linux
LABEL linux
KERNEL vmlinuz
INITRD initrd
APPEND console=ttyS0 rdinit=/init quiet mitigations=off nokaslr ibt=off tsc=reliable no_timer_check
"""

MACHINE = """cpu: model=sapphire_rapids, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=2048, host=2048
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0: enabled=1
ata0-master: type=cdrom, path={folder}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/serial.txt
display_library: nogui
log: {folder}/bochs.log
clock: sync=none
panic: action=fatal
"""


def setup(folder):
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "bochs.tar.xz"
    archive.write_bytes(urllib.request.urlopen(BOCHS).read())
    subprocess.run(["tar", "xf", archive.name], cwd=folder, check=True)
    source = folder / "bochs-3.0"
    for name, changes in MENDED.items():
        text = (source / name).read_text()
        for pattern, new, times in changes:
            text, count = re.subn(pattern, new, text)
            if not count or times not in (None, count):
                sys.exit(f"{name}: {pattern} is there {count} times")
        (source / name).write_text(text)
    with open(folder / "build.log", "w") as log:
        for command in (["./configure", *CONFIGURE, "CXXFLAGS=-O2"], ["make", f"-j{os.cpu_count()}"]):
            subprocess.run(command, cwd=source, stdout=log, stderr=log, check=True)
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True, check=True).stdout
    package = re.search(r"linux-image-\d\S+", depends)[0]
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
    subprocess.run(["dpkg", "-x", next(folder.glob(f"{package}_*.deb")), folder / "linux"], check=True)


def run(folder, program, arguments):
    root, image = folder / "root", folder / "iso"
    for made in (root, image):
        shutil.rmtree(made, ignore_errors=True)
    (folder / "serial.txt").unlink(missing_ok=True)
    for name in ("bin", "proc", "dev", "tmp"):
        (root / name).mkdir(parents=True)
    image.mkdir()
    shutil.copy("/bin/busybox", root / "bin/busybox")
    shutil.copy(program, root / "bin/program")
    needed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for library in re.findall(r"/\S+", needed):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    (root / "init").write_text(INIT.format(arguments=" ".join(arguments)))
    (root / "init").chmod(0o755)
    subprocess.run(f"find . | cpio -o -H newc --quiet > {image}/initrd", shell=True, cwd=root, check=True)
    shutil.copy(next((folder / "linux/boot").glob("vmlinuz-*")), image / "vmlinuz")
    for name in ("ISOLINUX/isolinux.bin", "syslinux/modules/bios/ldlinux.c32"):
        shutil.copy(Path("/usr/lib") / name, image)
    (image / "isolinux.cfg").write_text(MENU)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", folder / "boot.iso", "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot",
                    "-boot-load-size", "4", "-boot-info-table", image], check=True, capture_output=True)
    (folder / "bochsrc").write_text(MACHINE.format(folder=folder))
    with open(folder / "bochs.out", "w") as log:
        machine = subprocess.Popen([folder / "bochs-3.0/bochs", "-q", "-f", folder / "bochsrc"], cwd=folder, stdout=log, stderr=log,
                                   env=os.environ | {"BXSHARE": "/usr/share/bochs"})
    try:
        return follow(folder / "serial.txt", machine)
    finally:
        machine.kill()


def follow(serial, machine):
    """Prints what stands between the marks, as it comes; the program's exit code."""
    told = 0
    while True:
        ended = machine.poll() is not None
        text = serial.read_text(errors="replace").replace("\r", "") if serial.exists() else ""
        _, _, text = text.partition("=== begin\n")
        text, mark, rest = text.partition("=== exit ")
        print(text[told:], end="", flush=True)
        told = len(text)
        if mark and (code := re.match(r"\d+\n", rest)):
            return int(code[0])
        if ended:
            sys.exit(f"the machine stopped; {serial.parent} has its logs")
        time.sleep(0.5)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, "setup"]:
            setup(Path(folder).resolve())
        case [folder, "run", program, *arguments]:
            sys.exit(run(Path(folder).resolve(), program, arguments))
        case _:
            sys.exit(__doc__)
