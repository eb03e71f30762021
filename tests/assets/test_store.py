import hashlib
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from semtta import assets
from semtta.assets import store
from semtta.errors import SemttaError
from semtta.synthesis.synthwild import read_index


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def package(home, monkeypatch):
    """A made-up fetched asset "toy" of two files, in a wheel that a made-up pip downloads; the list of its calls."""
    content = {"one.bin": b"first", "two.bin": b"second"}
    rows = tuple(
        store.Asset(
            f"toy/{name}", f"toy/{name}", "fetched", "made up", "CC0-1.0", hashlib.sha256(data).hexdigest(), "pytest",
            package="toy==1", member=f"toy/data/{name}", megabytes=3.5,
        )
        for name, data in content.items()
    )  # fmt: skip
    monkeypatch.setattr(store, "rows", lambda: rows)
    calls = []

    def run(command, **_):
        calls.append(command)
        folder = Path(command[command.index("-d") + 1])
        with zipfile.ZipFile(folder / "toy-1-py3-none-any.whl", "w") as archive:
            for name, data in content.items():
                archive.writestr(f"toy/data/{name}", data)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(store.subprocess, "run", run)
    return calls


def test_every_row_is_whole():
    """Included files are there and are those that the manifest tells of; the others say where they come from."""
    rows = assets.rows()
    assert len({row.name for row in rows}) == len(rows) > 0
    for row in rows:
        assert row.kind in ("included", "fetched")
        assert len(row.sha256) == 64
        assert row.source
        assert row.licence
        assert row.made
        if row.kind == "included":
            assert assets.verify(row.name) == row.path
        else:
            assert row.package
            assert row.member
            assert row.megabytes > 0


def test_every_included_file_has_a_row():
    folder = Path(store.__file__).parent
    files = {str(f.relative_to(folder)) for f in folder.rglob("*") if f.suffix in (".npz", ".safetensors", ".mp4")}
    clips = {f"synthwild/{name}" for row in read_index(folder / "synthwild") for name in row["files"]}  # the index has a row
    assert clips <= files
    assert files - clips <= {row.file for row in assets.rows()}


def test_store_folder(home, monkeypatch):
    assert assets.store_folder() == home
    monkeypatch.delenv("SEMTTA_HOME")
    assert assets.store_folder().name == "semtta"


def test_fetch(package, home, capsys):
    paths = assets.fetch("toy")
    assert paths == [home / "toy/one.bin", home / "toy/two.bin"]
    assert [p.read_bytes() for p in paths] == [b"first", b"second"]
    assert sorted(f.name for f in (home / "toy").iterdir()) == ["one.bin", "two.bin"]  # and no wheel
    assert capsys.readouterr().err == "Fetching one.bin, two.bin (CC0-1.0) from the package toy==1: 3.5 MB ...\n"
    assert assets.fetch("toy") == paths
    assert len(package) == 1  # nothing more to download
    assert "--no-deps" in package[0]


def test_fetch_repairs(package, home):
    assets.fetch("toy")
    (home / "toy/two.bin").write_bytes(b"half")
    with pytest.raises(SemttaError, match=r"two\.bin is corrupted.*semtta assets fetch toy"):
        assets.verify("toy/two.bin")
    assets.fetch("toy")
    assert assets.verify("toy/two.bin").read_bytes() == b"second"


def test_a_package_with_other_content_is_not_kept(package, home, monkeypatch):
    rows = store.rows()
    monkeypatch.setattr(store, "rows", lambda: (rows[0], replace(rows[1], sha256="0" * 64)))
    with pytest.raises(SemttaError, match="not kept"):
        assets.fetch("toy")
    assert [f.name for f in (home / "toy").iterdir()] == ["one.bin"]
    monkeypatch.setattr(store, "rows", lambda: (replace(rows[1], member="toy/absent"),))
    with pytest.raises(SemttaError, match="Cannot extract toy/absent"):
        assets.fetch("toy")


def test_fetch_without_network(package, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: No matching distribution found for toy==1\n")
    monkeypatch.setattr(store.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SemttaError, match=r"toy==1 \(No matching .*needs a network; then run 'semtta assets fetch toy'"):
        assets.fetch("toy")
    failed.stderr = "/usr/bin/python: No module named pip"
    with pytest.raises(SemttaError, match="ensurepip"):
        assets.fetch("toy")


def test_fetch_from_npm(home, monkeypatch, tmp_path):
    row = store.Asset(
        "toy-big/big.bin", "toy/big.bin", "fetched", "made up", "CC0-1.0", hashlib.sha256(b"big").hexdigest(), "pytest",
        package="npm:@toys/toy@1.2", member="package/big.bin",
    )  # fmt: skip
    monkeypatch.setattr(store, "rows", lambda: (row,))
    commands = []

    def pack(command, **_):
        commands.append(command)
        (tmp_path / "big.bin").write_bytes(b"big")
        with tarfile.open(Path(command[command.index("--pack-destination") + 1]) / "toys-toy-1.2.tgz", "w:gz") as archive:
            archive.add(tmp_path / "big.bin", "package/big.bin")
        return subprocess.CompletedProcess(command, 0, "toys-toy-1.2.tgz", "")

    monkeypatch.setattr(store.subprocess, "run", pack)
    assert assets.fetch("toy-big") == [home / "toy/big.bin"]
    assert (home / "toy/big.bin").read_bytes() == b"big"
    assert commands[0][1] == "pack"
    assert commands[0][-1] == "@toys/toy@1.2"
    (home / "toy/big.bin").unlink()
    monkeypatch.setattr(store, "rows", lambda: (replace(row, member="package/absent"),))
    with pytest.raises(SemttaError, match="Cannot extract package/absent"):
        assets.fetch("toy-big")

    def absent(*_, **__):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(store.subprocess, "run", absent)
    with pytest.raises(SemttaError, match=r"npm cannot be run.*needs npm.*semtta assets fetch toy-big"):
        assets.fetch("toy-big")


def test_nothing_is_fetched_offline(package, home, monkeypatch):
    monkeypatch.setenv(store.OFFLINE, "1")
    with pytest.raises(SemttaError, match=r"one\.bin, two\.bin is not here.*offline.*semtta assets fetch toy"):
        assets.fetch("toy")
    assert not package
    monkeypatch.setenv(store.OFFLINE, "0")
    paths = assets.fetch("toy")
    monkeypatch.setenv(store.OFFLINE, "1")
    assert assets.fetch("toy/one.bin", "toy/two.bin") == paths  # what is here is used


def test_fetch_of_something_unknown(package):
    with pytest.raises(SemttaError, match="Did you mean 'toy'"):
        assets.fetch("toi")


def test_absent_files(package, home):
    with pytest.raises(SemttaError, match="semtta assets fetch toy"):
        assets.path("toy/one.bin")
    with pytest.raises(SemttaError, match=r"Unknown asset 'smpl/SMPL_NEUTRAL\.npz'.*semtta assets import"):
        assets.path("smpl/SMPL_NEUTRAL.npz")


def test_the_users_own_files(home):
    file = home / "smpl" / "SMPL_NEUTRAL.npz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"licensed")
    assert assets.path("smpl/SMPL_NEUTRAL.npz") == assets.verify("smpl/SMPL_NEUTRAL.npz") == file


def test_sha256_is_computed_once(home, package, monkeypatch):
    assets.fetch("toy")
    assets.verify("toy/one.bin")
    monkeypatch.setattr(store, "sha256", lambda _: pytest.fail("computed again"))
    assets.verify("toy/one.bin")
