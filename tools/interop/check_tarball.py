"""Unpacks a tarball of augtrial somewhere, and uses it without Python and without LD_LIBRARY_PATH. Run by `make test-tarball`."""

import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

SHORT = ["--set", "dataset.synthetic.images=72", "--set", "classifier.budget.updates=2", "--seeds", "1"]


def main():
    if len(sys.argv) != 2:
        sys.exit("check_tarball: name the tarball")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        with tarfile.open(sys.argv[1]) as tar:
            tar.extractall(folder / "unpacked", filter="data")
        (root,) = (folder / "unpacked").iterdir()
        # To another place, and through a link to the program, as administrators install things.
        moved = root.rename(folder / "a place with spaces")
        (folder / "augtrial").symlink_to(moved / "bin/augtrial")

        def call(*arguments):
            clean = {"PATH": "/nonexistent", "HOME": str(folder)}
            done = subprocess.run([folder / "augtrial", *arguments], cwd=folder, env=clean, capture_output=True, text=True)
            assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
            return done.stdout

        told = json.loads(call("doctor", "--json"))
        assert pathlib.Path(told["LibTorch"].partition(" in ")[2]).resolve() == moved / "libtorch/lib", told
        assert "built for CPUs only" in told["GPU"], told
        call("quickstart", "--write-only")
        answer = call("run", "quickstart/experiments/quickstart.toml", "--quiet", *SHORT)
        assert "3 trials trained, 0 reused, 0 failed" in answer, answer
        assert "identical" in call("replay", "latest", "--quiet")
        print(f"ok: {pathlib.Path(sys.argv[1]).name}: LibTorch {told['LibTorch'].split()[0]}, a short quickstart and a replay")


if __name__ == "__main__":
    main()
