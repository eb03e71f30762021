"""The rooms of the package: a room imports only from those above it, roles never import each other, files stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "semtta"
ROLES = ("body", "estimators", "denoisers", "priors", "labelers", "generators", "updaters", "losses", "detectors")
#: From the top down, as docs/architecture.md tells it.
ROOMS = (
    "errors", "version", "threads", "registry", "constants", "types", "devices", "geometry", "io", "settings", "assets", *ROLES,
    "motions", "rendering", "data", "metrics", "methods", "refine", "synthesis", "datasets", "training", "visualization",
    "results", "export", "pipeline", "build", "api", "runs", "experiments", "diagnostics", "testing",
)  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 350  # lines


def imported_rooms(file: Path) -> Iterator[tuple[str, int]]:
    """Rooms that a file imports from, wherever in it, and the line; type-checking blocks count too."""
    package = file.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                place = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            elif (node.module or "").split(".")[0] == "semtta":
                place = (node.module or "").split(".")[1:]
            else:
                continue
            for name in [place[0]] if place else [alias.name for alias in node.names]:
                yield name, node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("semtta."):
                    yield alias.name.split(".")[1], node.lineno


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_file_and_folder_has_a_room():
    found = {room_of(file) for file in FILES} - {"__init__", "__main__"}
    assert found <= set(ROOMS), found - set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room):
    wrong = []
    for file in FILES:
        if room_of(file) != room:
            continue
        for other, line in imported_rooms(file):
            if other == room or other == "__version__":
                continue
            below = ROOMS.index(other) > ROOMS.index(room)
            if below or (room in ROLES and other in ROLES):
                wrong.append(f"{file.relative_to(PACKAGE)}:{line} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_the_reader_of_imports_sees_them(tmp_path):
    """The test above would pass if this reader saw nothing."""
    file = PACKAGE / "updaters" / "base.py"
    assert {"constants", "geometry", "registry", "settings", "types"} <= {name for name, _ in imported_rooms(file)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_are_small_enough_to_read(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST
