"""The package as a whole: what is installed, and what importing it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed_in_pyproject():
    tomllib = pytest.importorskip("tomllib")
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    on_disk = {str(p.parent.relative_to(ROOT)).replace("/", ".") for p in (ROOT / "semtta").rglob("__init__.py")}
    assert on_disk <= listed
    assert listed - on_disk == {"semtta_cli"}


def test_importing_loads_no_optional_package_and_writes_nothing(tmp_path):
    heavy = "transformers open_clip litellm ai_edge_litert smplx matplotlib trimesh anny"
    code = f"import sys, semtta; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]", done.stderr
    assert not list(tmp_path.iterdir())


HEAVY = "torch numba scipy numpy matplotlib av yaml"


@pytest.mark.parametrize("arguments", [["--help"], ["adapt", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    code = (
        f"import sys; sys.argv = ['semtta', *{arguments}]\n"
        "from semtta_cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([m for m in '{HEAVY}'.split() if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_importing_loads_neither_torch_nor_numba():
    code = f"import sys, semtta; print([m for m in '{HEAVY}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_public_names():
    import semtta

    assert all(hasattr(semtta, name) for name in semtta.__all__)
