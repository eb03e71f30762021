"""What the pages say is so: their Python runs, their commands parse, the names in them exist."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import typer.main
from run_page import TINY, blocks
from test_rooms import ROOMS

from semtta import assets
from semtta.build import REGISTRIES, resolve
from semtta.diagnostics.plugins import registries
from semtta.runs.demo import CLIP
from semtta.settings import LISTED_ROLES, EvidenceSettings, LabelSettings, LoopSettings
from semtta_cli.common import layers
from semtta_cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md", *sorted(DOCS.glob("*.md"))]
PLUGINS = DOCS / "plugins.md"
#: Pages whose Python is run, the short ones in one process.
RUN = {"plugins": [PLUGINS], "others": [page for page in PAGES if blocks(page) and page != PLUGINS]}

included = pytest.mark.skipif(
    not Path(assets.__file__).with_name("estimator_open.safetensors").exists(), reason="the included weights are not here"
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name: ``walk.mp4`` and OpenPose's ``walk_openpose/``."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copy(CLIP / "walk.mp4", folder / "walk.mp4")
    (folder / "walk_openpose").mkdir()
    with np.load(CLIP / "keypoints.npz") as file:
        frames = file["keypoints"]
    for number, points in enumerate(frames):
        people = {"people": [{"pose_keypoints_2d": points.flatten().tolist()}]}
        (folder / "walk_openpose" / f"walk_{number:012d}_keypoints.json").write_text(json.dumps(people))
    return folder


def python(folder: Path, *arguments: object) -> str:
    """What Python prints, run in ``folder`` with this source tree."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- Python -----------------------------------------------------------------------------------------------------------


@included
@pytest.mark.slow
@pytest.mark.parametrize("pages", RUN.values(), ids=RUN)
def test_python_of_the_pages_runs(pages, clip):
    assert pages
    python(clip, Path(__file__).with_name("run_page.py"), *pages)


@pytest.fixture(scope="module")
def installed(clip: Path) -> Path:
    """The package of docs/plugins.md as an installer would leave it: module and entry point."""
    tomllib = pytest.importorskip("tomllib")
    text = PLUGINS.read_text()
    project = tomllib.loads(re.search(r"```toml\n(.*?)```", text, re.S)[1])["project"]
    source = next(source for _, source in blocks(PLUGINS) if source.startswith("# my_prior.py"))
    (clip / "my_prior.py").write_text(source)
    info = clip / f"my_prior-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    points = [f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in entries.items()) for group, entries in groups]
    (info / "entry_points.txt").write_text("\n".join(points))
    return clip


@included
@pytest.mark.slow
def test_the_commands_of_the_plug_in_page_work_as_they_stand(installed):
    """By name, from a package of its own: its settings are printed, set, and kept in the run's config.yaml."""
    import yaml

    run = "import sys; sys.argv = sys.argv[1:]; from semtta_cli.main import main; main()"
    lines = [line for line in commands(PLUGINS) if "my-model" in line]
    shown, adapt, config = (next(line for line in lines if line[1] == name) for name in ("plugins", "adapt", "config"))
    text = python(installed, "-c", run, *shown)
    for part in ("prior my-model", "prior.smoothness", "0.2", "radians a frame", "prior.slow_words"):
        assert part in text
    assert re.search(r"prior.smoothness\W+0.4\W+--set", python(installed, "-c", run, *config))
    tiny = [f"--set={key}={value}" for key, value in TINY.items()]
    python(installed, "-c", run, *adapt, "--keypoints", "walk_openpose", "--out", "own", *tiny)
    saved = yaml.safe_load((installed / "own" / "walk" / "config.yaml").read_text())
    assert saved["settings"]["prior"] == {"name": "my-model", "smoothness": 0.4, "slow_words": ["stand", "sit", "bow"]}
    assert saved["origins"]["prior.smoothness"] == "--set"
    assert json.loads((installed / "own" / "walk" / "history.jsonl").read_text())["loss_align"] > 0


# -- commands ---------------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[list[str]]:
    """The lines of a page's bash blocks that start with semtta, as a shell splits them."""
    for block in re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.splitlines():
            if line.startswith("semtta "):
                yield shlex.split(line, comments=True)


def context_of(words: list[str]) -> click.Context:
    """The innermost command's context; click's UsageError for an option or command that does not exist."""
    command: click.Command = typer.main.get_command(app)
    context = None
    while isinstance(command, click.Group) and len(words) > 1:
        name = words[1]
        assert name in command.commands, f"there is no command '{' '.join(words[:2])}'"
        command, words = command.commands[name], [f"{words[0]} {name}", *words[2:]]
    return command.make_context(words[0], words[1:], parent=context)


COMMANDS = [(page.name, words) for page in PAGES for words in commands(page)]


def test_bash_blocks_are_found():
    assert len(COMMANDS) > 40


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else value)
def test_commands_parse_and_their_settings_exist(page, words):
    given: dict[str, Any] = context_of(words).params
    if "set_" not in given or words[1] in ("compare", "ablate"):  # these set the rows of a study
        return
    roles = ("method", "estimator", "body", "prior", "denoiser", "detector")
    chosen = {role: given[role] for role in roles if given.get(role)}
    labeler = given.get("labeler")
    chosen |= {"labeler": labeler} if isinstance(labeler, str) else {}
    if "my-model" not in words:
        resolve(given.get("preset"), layers(None, chosen, given["set_"]))


def test_the_excerpt_of_semtta_config_is_what_it_prints(monkeypatch, capsys):
    from command_line import call

    text = (DOCS / "settings.md").read_text()
    excerpt = [line for line in text.splitlines() if line.startswith("│")]
    words = shlex.split(re.search(r"`semtta (config --preset paper --prior infill[^`]*)`", text)[1])
    code, out, _ = call(monkeypatch, capsys, *words)
    printed = [line.split() for line in out.splitlines()]
    assert code == 0
    assert len(excerpt) > 8
    assert all(line.split() in printed for line in excerpt)


# -- names ------------------------------------------------------------------------------------------------------------


GROUPS = {"loop": LoopSettings, "evidence": EvidenceSettings, "labels": LabelSettings}


def keys() -> set[str]:
    """Every dotted key of a setting, of all included parts."""
    known = {f"{group}.{field}" for group, model in GROUPS.items() for field in model.model_fields}
    for role, registry in REGISTRIES.items():
        for name in registry.names():
            place = f"{role}.{name}" if role in LISTED_ROLES else role
            known |= {f"{place}.{field}" for field in registry.entry(name).settings.model_fields}
    return known | {f"{role}.name" for role in REGISTRIES}


#: Of the examples on the pages, and of what a wrong key is answered with.
OWN = {"prior.smoothness", "prior.slow_words", "losses.bones.weight", "losses.speed.weight", "updaters.forget.pixels",
       "labeler.darkest", "prior.key", "loop.epoch"}  # fmt: skip
#: Attributes of objects that the examples call as the branches of the tree are called.
ATTRIBUTES = {
    "prior.loss", "prior.similarity", "prior.resolve", "prior.threshold", "prior.window", "prior.fps", "body.joints",
    "body.keypoints", "body.vertices", "estimator.load_state_dict",
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_a_page_names_exist(page):
    branches = "|".join((*GROUPS, *REGISTRIES))
    found = set(re.findall(rf"(?<![\w./])((?:{branches})(?:\.[a-z0-9_]+)+)", page.read_text()))
    files = {name for name in found if name.endswith((".py", ".md", ".yaml", ".safetensors", ".npz", ".json", ".mp4", ".txt"))}
    assert found - files - OWN - ATTRIBUTES <= keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_and_files_that_a_page_names_exist(page):
    text = page.read_text()
    for path in set(re.findall(r"`((?:semtta|cli|tests|docs|scripts|examples)/[\w./-]+)`", text)):
        assert (ROOT / path).exists(), path
    groups = {registry.group for registry in registries().values()}
    for name in set(re.findall(r"(?<![\w/])(semtta(?:\.[A-Za-z_]\w*)+)", text)) - groups:
        assert named(name) is not None


def named(dotted: str) -> Any:
    """What a dotted name stands for; ImportError or AttributeError if there is nothing."""
    module, *rest = dotted.split(".")
    found = importlib.import_module(module)
    for part in rest:
        module = f"{module}.{part}"
        found = getattr(found, part) if hasattr(found, part) else importlib.import_module(module)
    return found


def test_the_table_of_registries_is_complete():
    rows = re.findall(r"^\| ([\w ]+) \| `(semtta[\w.]+)` \| `(semtta\.\w+)` \|", PLUGINS.read_text(), re.M)
    wanted = {(registry.role, registry.group): registry.register for registry in registries().values()}
    assert {(role.removesuffix(" term"), group): named(register) for role, register, group in rows} == wanted


def test_rooms_stand_in_their_order():
    page = (DOCS / "architecture.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)(?:\.py)?` \|", page, re.M)) == ROOMS


def test_rooms_of_the_figure_exist():
    figure = (DOCS / "architecture.svg").read_text()
    found = re.findall(r'<text class="(?:r|n m)"[^>]*>([^<]*)</text>', figure)
    rooms = {name for text in found for name in text.split(", ")} - {"italics"}
    assert {"estimators", "priors", "losses", "updaters", "methods"} <= rooms <= set(ROOMS)
