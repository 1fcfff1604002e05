"""Rules of the house that no other tool checks: which way includes point, how long a file may be, what it is called,
and whether documents name functions that exist."""

import pathlib
import re
import subprocess
import sys

# A folder may include itself and what stands before it.
ORDER = ["crypto", "dataplane", "tun_bridge", "control"]
MAX_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
CODE = {".cc", ".h", ".py", ".sh"}

# `Worker::route` (`dataplane/routing.cc`), or a file alone
PLACE = re.compile(r"(?:`([A-Za-z_:]+)` \()?`([a-z_]+/[a-z_/0-9]+\.(?:cc|h))`")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def include_problems(path, lines):
    folder = path.parts[0]
    if folder not in ORDER:
        return
    allowed = set(ORDER[: ORDER.index(folder) + 1])
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = pathlib.PurePosixPath(match[1]).parts[0]
        if target not in ORDER:
            yield f"{path}:{number}: \"{match[1]}\" is not written from the top of the tree"
        elif target not in allowed:
            yield f"{path}:{number}: {folder}/ must not know {target}/"


def problems(path):
    if FORBIDDEN_NAMES & {path.stem, *path.parent.parts}:
        yield f"{path}: say what it is about; not utils, common or helpers"
    if path.suffix == ".md":
        yield from document_problems(path)
    if path.suffix not in CODE:
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > MAX_LINES:
        yield f"{path}: {len(lines)} lines, more than {MAX_LINES}: which noun could have a file of its own?"
    yield from include_problems(path, lines)


def document_problems(path):
    """A document that says where something is done has to be right about it."""
    for name, file in PLACE.findall(path.read_text(encoding="utf-8")):
        target = pathlib.Path(file)
        if not target.is_file():
            yield f"{path}: there is no {file}"
        elif name and not re.search(rf"\b{name.split('::')[-1]}\b", target.read_text(encoding="utf-8")):
            yield f"{path}: {file} has no {name}"


def files_of_the_tree():
    """All that git would track; in a tree without git, all that isn't built."""
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, text=True)
    if listing.returncode == 0:
        return [path for path in map(pathlib.Path, listing.stdout.splitlines()) if path.is_file()]
    here = pathlib.Path(".")
    return [path for path in here.rglob("*") if path.is_file() and not path.parts[0].startswith(("build", "."))]


def main():
    found = [problem for path in sorted(files_of_the_tree()) for problem in problems(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
