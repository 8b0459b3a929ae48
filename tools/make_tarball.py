#!/usr/bin/env python3
"""Pack both programs and LibTorch's CPU side into one tarball that runs wherever it is unpacked, without Python.

    python3 tools/make_tarball.py WHEEL LIBTORCH FOLDER

The programs are those of WHEEL (`make wheel`), LIBTORCH is a folder that tools/setup_libtorch.py made. The tarball gets the same
bytes from the same files: names are sorted, and times and owners are left out.
"""

import gzip
import io
import sys
import tarfile
import zipfile
from pathlib import Path

PROGRAMS = ["augtrial", "augtrial-torch"]
ROOT = Path(__file__).resolve().parent.parent
TEXTS = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "docs/install.md"]
# For linking only; what is linked names the libraries themselves.
LEFT_OUT = {"libtorch.so"}


def programs(wheel: Path) -> dict[str, bytes]:
    """The programs in a wheel, by their names."""
    with zipfile.ZipFile(wheel) as archive:
        found = {Path(name).name: name for name in archive.namelist() if ".data/scripts/" in name}
        if missing := sorted(set(PROGRAMS) - set(found)):
            raise SystemExit(f"make_tarball: {wheel} lacks {', '.join(missing)}; build it by `make wheel`")
        return {name: archive.read(found[name]) for name in PROGRAMS}


def add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit("make_tarball: name the wheel, the folder of LibTorch, and the folder to write to")
    wheel, libtorch, into = (Path(argument) for argument in sys.argv[1:])
    if b"$ORIGIN" not in (binaries := programs(wheel))["augtrial-torch"]:
        raise SystemExit(f"make_tarball: the programs of {wheel} know the folder of their LibTorch; build it by `make wheel`")
    version = wheel.name.split("-")[1]
    name = f"augtrial-{version}-x86_64-linux"
    into.mkdir(parents=True, exist_ok=True)
    made, draft = into / f"{name}.tar.gz", into / f".{name}.partial"
    with open(draft, "wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for program in PROGRAMS:
                add(tar, f"{name}/bin/{program}", binaries[program], 0o755)
            add(tar, f"{name}/libtorch/build-version", (libtorch / "build-version").read_bytes(), 0o644)
            for library in sorted((libtorch / "lib").glob("*.so*")):
                if library.name not in LEFT_OUT:
                    add(tar, f"{name}/libtorch/lib/{library.name}", library.read_bytes(), 0o755)
            for text in TEXTS:
                add(tar, f"{name}/{Path(text).name}", (ROOT / text).read_bytes(), 0o644)
    draft.rename(made)
    print(f"{made}: {made.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
