#!/usr/bin/env python3
# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Installs what third_party/manifest.json pins.

  setup.py            everything below, each step skipped when already done
  setup.py apt        the Debian packages (needs root only if some are missing)
  setup.py python     the virtual environment .venv with the Python packages
  setup.py onnx       the ONNX C++ library, built from its source distribution
                      into .cache/onnx-<version> (or --prefix DIR)
  setup.py list       prints what is pinned, with licences

Standard library only: it runs before anything is installed.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = json.loads((ROOT / "third_party/manifest.json").read_text())
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"


def fail(message):
    """Ends with the one line the user needs."""
    sys.exit(f"error: setup: {message}")


def say(message):
    print(f"setup: {message}", flush=True)


def run(command, what, **kwargs):
    """Runs a command into .cache/setup.log; on failure shows the log's end."""
    CACHE.mkdir(exist_ok=True)
    log = CACHE / "setup.log"
    with open(log, "ab") as out:
        out.write(("\n$ " + " ".join(map(str, command)) + "\n").encode())
        out.flush()
        start = out.tell()
        result = subprocess.run(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
            **kwargs,
        )
    if result.returncode:
        with open(log, "rb") as text:
            text.seek(start)
            tail = text.read().decode(errors="replace").splitlines()[-25:]
        print("\n".join(tail), file=sys.stderr)
        fail(f"{what} failed; the whole output is in {log}")


def digest(*parts):
    """Identifies a step's inputs: a finished step stores it as its stamp."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def stamped(stamp, key):
    return stamp.exists() and stamp.read_text() == key


# --- Debian packages --------------------------------------------------------


def provided(what):
    """Whether this interpreter already has what a Debian package would add."""
    if what == "venv":
        return importlib.util.find_spec("ensurepip") is not None
    if what == "Python.h":
        include = sysconfig.get_path("include")
        return os.path.exists(os.path.join(include, "Python.h"))
    raise ValueError(what)


def installed_versions(names):
    """Maps each installed package of `names` to its Debian version."""
    try:
        query = subprocess.run(
            [
                "dpkg-query",
                "-W",
                "-f=${db:Status-Status} ${Package} ${Version}\n",
            ]
            + names,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        platform = MANIFEST["platform"]["distribution"]
        fail(
            f"dpkg-query: not found; the packages of third_party/manifest.json "
            f"are those of {platform}; install their like by hand and call "
            f"CMake with the presets"
        )
    rows = (line.split() for line in query.stdout.splitlines())
    return {row[1]: row[2] for row in rows if row[0] == "installed"}


def version_matches(version, pinned):
    """22.1 matches 1:22.1.8-1, not 22.10: a prefix that ends at a boundary."""
    upstream = version.split(":", 1)[-1]
    rest = upstream[len(pinned) :]
    return upstream.startswith(pinned) and not rest[:1].isdigit()


def check_versions(versions):
    for name, version in versions.items():
        entry = MANIFEST["apt"][name]
        if version_matches(version, entry["version"]):
            continue
        message = (
            f"{name}: version {version} is installed; third_party/"
            f"manifest.json pins {entry['version']}"
        )
        if entry.get("strict"):
            fail(message + "; install that version")
        say(f"warning: {message}; going on")


def setup_apt():
    wanted = [
        name
        for name, entry in MANIFEST["apt"].items()
        if "provides" not in entry or not provided(entry["provides"])
    ]
    versions = installed_versions(wanted)
    missing = sorted(set(wanted) - set(versions))
    if missing:
        install = [
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            *missing,
        ]
        sudo = []
        if os.geteuid() != 0:
            sudo = ["sudo", "-n"] if shutil.which("sudo") else None
            if (
                sudo
                and subprocess.run(
                    ["sudo", "-n", "true"],
                    stderr=subprocess.DEVNULL,
                    check=False,
                ).returncode
            ):
                sudo = None
        if sudo is None or not shutil.which("apt-get"):
            fail(f"packages are missing; as root run: {' '.join(install)}")
        say(f"installing {len(missing)} Debian packages")
        env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        # A third party's unreachable package list must not stop us: what is
        # missing shows in the next command.
        subprocess.run(
            sudo + ["apt-get", "update", "-qq"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            check=False,
        )
        options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]
        run(
            sudo + install[:1] + options + install[1:],
            "apt-get install",
            env=env,
        )
        versions = installed_versions(wanted)
        still = sorted(set(wanted) - set(versions))
        if still:
            fail(f"packages are still missing: {' '.join(still)}")
    check_versions(versions)


# --- Python packages --------------------------------------------------------


def make_venv(path, requirements, key):
    """Builds a virtual environment, complete or not at all."""
    if sys.version_info < (3, 11):
        fail(f"python3 is {sys.version.split()[0]}; 3.11 or newer is needed")
    if not provided("venv"):
        fail("python3 has no venv; as root run: apt-get install -y python3-venv")
    shutil.rmtree(path, ignore_errors=True)
    run([sys.executable, "-m", "venv", path], "python3 -m venv")
    run(
        [path / "bin/python", "-m", "pip", "install", "--no-deps"]
        + [
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
            *requirements,
        ],
        "pip install",
    )
    (path / "cim-stamp").write_text(key)


def pinned(names=None):
    return [
        f"{name}=={entry['version']}"
        for name, entry in MANIFEST["pypi"].items()
        if names is None or name in names
    ]


def setup_python():
    requirements = pinned()
    # A moved checkout breaks the scripts in .venv/bin: its path is in the key.
    key = digest(requirements, sys.version, sys.prefix, str(VENV))
    if stamped(VENV / "cim-stamp", key):
        return
    say(f"installing {len(requirements)} Python packages into .venv")
    make_venv(VENV, requirements, key)


# --- ONNX C++ library -------------------------------------------------------


def builder_python():
    """A Python with pip and CMake >= 3.26 beside it: .venv, or one for this."""
    if (VENV / "cim-stamp").exists():
        return VENV / "bin/python"
    path = CACHE / "venv-onnx"
    requirements = pinned(["cmake"])
    key = digest(requirements, sys.version, str(path))
    if not stamped(path / "cim-stamp", key):
        make_venv(path, requirements, key)
    return path / "bin/python"


def download_sdist(name, entry, python, folder):
    """Fetches and unpacks a source distribution whose hash is pinned."""
    requirement = folder / "requirement.txt"
    requirement.write_text(
        f"{name}=={entry['version']} --hash=sha256:{entry['sha256']}\n"
    )
    run(
        [python, "-m", "pip", "download", "--no-deps", "--no-binary", name]
        + ["--disable-pip-version-check", "-d", folder, "-r", requirement],
        f"download of {name} {entry['version']}",
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


def setup_onnx(prefix=None):
    entry = MANIFEST["sdist"]["onnx"]
    prefix = Path(prefix) if prefix else CACHE / f"onnx-{entry['version']}"
    prefix = prefix.resolve()
    pins = {
        name: MANIFEST["apt"][name]["version"]
        for name in ("clang-22", "libprotobuf-dev")
    }
    key = digest(entry["version"], entry["sha256"], entry["cmake_args"], pins)
    if stamped(prefix / "cim-stamp", key):
        return
    if not shutil.which("clang++-22") or not shutil.which("ninja"):
        fail("clang++-22, ninja: not found; run third_party/setup.py apt first")
    say(f"building the ONNX {entry['version']} C++ library (a few minutes)")
    python = builder_python()
    shutil.rmtree(prefix, ignore_errors=True)
    work = CACHE / "onnx-build"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    source = download_sdist("onnx", entry, python, work)
    launcher = []
    if shutil.which("ccache"):
        launcher = ["env", f"CCACHE_BASEDIR={work}", "ccache"]
    cmake = python.parent / "cmake"
    run(
        [cmake, "-G", "Ninja", "-S", source, "-B", work / "build"]
        + entry["cmake_args"]
        + [f"-DCMAKE_CXX_COMPILER_LAUNCHER={';'.join(launcher)}"]
        + ["-DCMAKE_C_COMPILER=clang-22", "-DCMAKE_CXX_COMPILER=clang++-22"]
        + [f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DCMAKE_INSTALL_LIBDIR=lib"]
        + [f"-DPython3_EXECUTABLE={python}"],
        "configuration of ONNX",
    )
    jobs = os.environ.get("CIM_JOBS", str(os.cpu_count()))
    run(
        [cmake, "--build", work / "build", "-j", jobs, "--target", "install"],
        "build of ONNX",
    )
    shutil.copy(source / "LICENSE", prefix / "LICENSE")
    shutil.rmtree(work)
    (prefix / "cim-stamp").write_text(key)


# --- the command ------------------------------------------------------------


def list_pins():
    for kind in ("apt", "pypi", "sdist", "data"):
        for name, entry in MANIFEST[kind].items():
            print(
                f"{kind:6} {name:22} {entry['version']:18} "
                f"{entry['license']:34} {entry['link']:11} {entry['used_for']}"
            )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "step",
        nargs="?",
        default="all",
        choices=["all", "apt", "python", "onnx", "list"],
    )
    parser.add_argument("--prefix", help="where `onnx` installs")
    args = parser.parse_args()
    if args.step == "list":
        return list_pins()
    begin = time.monotonic()
    if args.step in ("all", "apt"):
        setup_apt()
    if args.step in ("all", "python"):
        setup_python()
    if args.step in ("all", "onnx"):
        setup_onnx(args.prefix)
    seconds = time.monotonic() - begin
    if seconds > 5:
        say(f"done in {seconds:.0f} s")
    return None


if __name__ == "__main__":
    main()
