"""clang-tidy over every translation unit, on all cores. One whose text, headers and rules haven't changed since it was
last clean isn't looked at again."""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

TIDY = "clang-tidy-19"
TOP = pathlib.Path.cwd()
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "culvert" / "tidy"
INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@functools.cache
def text_of(path):
    return path.read_bytes() if path.is_file() else b""


def own_headers(path, seen=None):
    """The tree's own files that a file includes, however indirectly, itself among them."""
    seen = {} if seen is None else seen
    if path not in seen:
        seen[path] = None
        for name in INCLUDE.findall(text_of(path)):
            for candidate in (TOP / name.decode(), path.parent / name.decode()):
                if candidate.is_file():
                    own_headers(candidate, seen)
                    break
    return list(seen)


@functools.cache
def rules():
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    return version + b"".join(path.read_bytes() for path in sorted(TOP.rglob(".clang-tidy")))


def state_of(source, command):
    digest = hashlib.sha256(rules() + command.encode())
    for path in own_headers(source):
        digest.update(str(path.relative_to(TOP)).encode() + b"\0" + text_of(path))
    return digest.hexdigest()


def look_at(build, source, command):
    clean = CACHE / state_of(source, command)
    if clean.exists():
        clean.touch()
        return True, "", True
    run = subprocess.run([TIDY, "-p", build, "--quiet", "--warnings-as-errors=*", str(source)],
                         capture_output=True, text=True)
    if run.returncode == 0:
        CACHE.mkdir(parents=True, exist_ok=True)
        clean.touch()
    # What goes to stderr is only how many warnings of others' headers were hidden, but for errors.
    return run.returncode == 0, run.stdout or (run.stderr if run.returncode else ""), False


def main():
    build, folders = sys.argv[1], tuple(folder.rstrip('/') + '/' for folder in sys.argv[2:])
    entries = {}
    for entry in json.loads(pathlib.Path(build, "compile_commands.json").read_text()):
        source = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if folders and not str(source.relative_to(TOP)).startswith(folders):
            continue
        flags = [word for word in shlex.split(entry["command"]) if word.startswith(("-D", "-std", "-m", "-I"))]
        entries.setdefault(source, " ".join(flags))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {pool.submit(look_at, build, source, command): source for source, command in entries.items()}
        for done, future in enumerate(concurrent.futures.as_completed(futures), 1):
            clean, report, cached = future.result()
            failed += not clean
            if not cached or report:
                print(f"[{done}/{len(futures)}] {futures[future].relative_to(TOP)}", flush=True)
            print(report, end="", flush=True)
    print(f"clang-tidy: {len(entries)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
