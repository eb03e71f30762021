"""What the command says of itself: help that is true, settings with their origins, plug-ins, and names printed as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from command_line import call
from rich.table import Table
from short_clips import write_clip, write_tiny_hmr
from typer.main import get_command

from semtta.build import REGISTRIES, resolve
from semtta.diagnostics.plugins import registries
from semtta.experiments.study import included
from semtta.settings import PRESETS, flatten, parse_assignments
from semtta_cli.main import app


def commands(command=None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group of the application by its words."""
    command = command or get_command(app)
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = dict(commands())
OPTIONS = {option for command in ALL.values() for item in command.params for option in item.opts}


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "semtta")
def test_help_runs_and_speaks_of_what_exists(monkeypatch, capsys, path):
    code, shown, err = call(monkeypatch, capsys, *path, "--help")
    assert (code, err) == (0, "")
    assert "Usage" in shown
    command = ALL[path]
    texts = [command.help or "", *(getattr(item, "help", None) or "" for item in command.params)]
    assert all(texts)  # every option says what it is
    for text in texts:
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
            assert option in OPTIONS, (text, option)
        for words in re.findall(r"semtta((?: [a-z-]+)+)", text):
            names = tuple(words.split())
            assert names[:1] in ALL or names[0] in ("label", "adapt"), (text, names)
        for key, value in re.findall(r"([a-z_]+(?:\.[a-z0-9_]+)+)=([0-9.]+)", text):
            resolve(None, parse_assignments([f"{key}={value.rstrip('.')}"]))
        for role, name in re.findall(r"--(estimator|body|prior|labeler|method|preset|dataset|study) ([a-z0-9-]+)", text):
            known = {**registries(), "preset": PRESETS, "study": included()}[role]
            assert name in known, (text, name)


def test_tables_in_a_pipe_are_not_cut(monkeypatch, capsys):
    from semtta_cli.common import console

    monkeypatch.delenv("COLUMNS", raising=False)
    console().print(Table("x" * 300))
    assert "x" * 300 in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "60")
    console().print(Table("x" * 300))
    assert "x" * 300 not in capsys.readouterr().out


def test_presets_are_named_in_help():
    (preset,) = [item for item in ALL[("adapt",)].params if item.name == "preset"]
    assert set(re.findall(r"[a-z]+(?=,|\.| \()", preset.help.partition(":")[2])) == set(PRESETS)


def test_python_m_semtta_is_the_command():
    done = subprocess.run([sys.executable, "-m", "semtta", "--version"], capture_output=True, text=True)
    from semtta.version import __version__

    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def rows_of(shown: str) -> dict[str, list[str]]:
    """Setting -> the cells after it."""
    lines = ([cell.strip() for cell in line.strip("│ ").split("│")] for line in shown.splitlines() if line.startswith("│"))
    return {cells[0]: cells[1:] for cells in lines}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--preset", "paper"], {
            "method.name": ["semantic", "preset paper"], "estimator.name": ["open", "default"],
            "prior.name": ["open", "preset paper"],
            "loop.epochs": ["6", "preset paper"], "loop.learning_rate": ["5e-05", "preset paper"],
            "loop.min_learning_rate": ["1e-06", "preset paper"], "loop.adam_betas": ["0.5, 0.9", "preset paper"],
            "loop.batch_segments": ["4", "preset paper"], "losses.2d.weight": ["0.1", "preset paper"],
            "losses.align.weight": ["0.2", "preset paper"], "losses.align.warmup": ["0.0", "preset paper"],
            "updaters": ["ema, fill_in", "preset paper"], "updaters.ema.alpha": ["0.9", "preset paper"],
            "evidence.threshold": ["0.3", "preset paper"], "denoiser.learning_rate": ["5e-05", "preset paper"],
            "seed": ["0", "default"],
        }),
        (["--estimator", "hmr", "--set", "seed=4", "--updater", "ema"], {
            "estimator.name": ["hmr", "option"], "seed": ["4", "--set"], "updaters": ["ema", "option"],
            "loop.epochs": ["6", "default"],
            "losses.align.weight": ["8.0", "prior infill"],
        }),
        (["--method", "cycleadapt"], {
            "loop.epochs": ["30", "estimator open for cycleadapt"], "loop.sampling": ["frames", "method cycleadapt"],
        }),
        (["--preset", "paper", "--method", "boa"], {"loop.learning_rate": ["3e-06", "preset paper for boa"]}),
    ],
)  # fmt: skip
def test_config_prints_every_value_and_where_it_came_from(monkeypatch, capsys, arguments, expected):
    code, shown, err = call(monkeypatch, capsys, "config", *arguments)
    assert code == 0, err
    rows = rows_of(shown)
    assert {key: rows[key] for key in expected} == expected
    preset = arguments[1] if arguments[0] == "--preset" else "best"
    assert f"preset {preset}" in shown
    chosen = {}
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        name = option.lstrip("-")
        if name != "preset":
            chosen |= (
                parse_assignments([value]) if name == "set" else {"updaters": [value]} if name == "updater" else {name: value}
            )
    assert rows.keys() == flatten(resolve(preset, chosen).config.dump()).keys()


def test_yaml_of_config_is_read_back(monkeypatch, capsys, tmp_path):
    code, first, err = call(
        monkeypatch, capsys, "config", "--preset", "paper", "--prior", "infill", "--set", "epochs=4", "--yaml"
    )
    assert code == 0, err
    (tmp_path / "mine.yaml").write_text(first)
    code, second, err = call(monkeypatch, capsys, "config", "--config", tmp_path / "mine.yaml", "--yaml")
    assert code == 0, err
    one, two = yaml.safe_load(first), yaml.safe_load(second)
    assert (one["settings"], one["preset"]) == (two["settings"], two["preset"])
    assert one["origins"]["loop.epochs"] == "--set"
    assert two["origins"]["loop.epochs"] == str(tmp_path / "mine.yaml")


def test_plugins_list_every_role_and_a_part_has_its_settings(monkeypatch, capsys):
    code, shown, err = call(monkeypatch, capsys, "plugins")
    assert code == 0, err
    rows = rows_of(shown)
    assert rows.keys() == registries().keys()
    assert rows["updaters"] == ["ema, fill_in, none"]
    code, shown, err = call(monkeypatch, capsys, "plugins", "ema")
    assert code == 0, err
    assert rows_of(shown) == {"updaters.ema.alpha": ["float", "0.9", "weight of the keypoint as it was (Eq. 7)"]}
    code, shown, err = call(monkeypatch, capsys, "plugins", "open")  # several roles have one
    assert [line.split()[:2] for line in shown.splitlines() if " open: " in line] == [
        ["estimator", "open:"], ["body", "open:"], ["prior", "open:"],
    ]  # fmt: skip
    code, shown, err = call(monkeypatch, capsys, "plugins", "prior/open")
    assert "estimator" not in shown
    assert "suits it: losses.align.warmup=0.4" in shown
    code, _, err = call(monkeypatch, capsys, "plugins", "infil")
    assert (code, "Did you mean 'infill'" in err) == (2, True)


@pytest.mark.parametrize("role", sorted(REGISTRIES))
def test_every_part_and_setting_is_described(role):
    for name in REGISTRIES[role].names():
        entry = REGISTRIES[role].entry(name)
        assert entry.summary, f"{role} {name} has no docstring"
        for field, info in entry.settings.model_fields.items():
            assert info.description, f"{role} {name}: {field} has no description"


def test_text_of_the_user_is_printed_as_it_is(monkeypatch, capsys, tmp_path):
    """Neither taken as markup nor broken at the edge of the window, in lines and in tables."""
    name = "[bold]a very long name of a clip[/bold] that does not fit in any window [link=x]"
    folder = tmp_path / "[red]in"
    path = write_clip(folder, 3, name.replace("/", "|"))
    weights = write_tiny_hmr(tmp_path / "hmr.safetensors")
    arguments = [
        "adapt", path, "--keypoints", folder / "keypoints.npz", "--label", "walking", "--estimator", "hmr", "--prior", "none",
        "--set", f"estimator.weights={weights}", "--method", "none", "--device", "cpu", "--out", tmp_path / "[green]out",
    ]  # fmt: skip
    code, shown, err = call(monkeypatch, capsys, *arguments)
    assert code == 0, err
    (result,) = (tmp_path / "[green]out").iterdir()
    assert f"Results in {result}; open {result / 'report.html'}" in shown.splitlines()
    code, shown, err = call(monkeypatch, capsys, "export", result, "--to", "csv")
    assert (code, str(result) in shown.replace("\n", "\n")) == (0, True)
    code, _, err = call(monkeypatch, capsys, *arguments)
    assert (code, str(result) in err) == (2, True)


def test_names_in_tables_are_no_markup():
    from rich.console import Console

    from semtta_cli.common import numbers_table

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(numbers_table("Errors", {"[bold]a[/bold]": {"mpjpe": 1.0}}, ["mpjpe"]))
    assert "[bold]a[/bold]" in console.export_text()
