"""One run: the people of a clip, adapted one after the other and refined together, with the folder that it fills.

One person's files lie in ``OUT/<clip>`` (``OUT/<clip>/person-N`` for persons other than the first), those of several people who
are adapted together in ``OUT/<clip>/person-N`` each. While it is not finished a run has a checkpoint of each person who was
begun; that of several people also has ``checkpoint.json``, which says what it is a run of, and whose removal finishes it.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..api import adapt_people
from ..build import Resolved, build_roles
from ..errors import CannotWrite
from ..export import exporters
from ..io.files import reading, replacing_files, write_text
from ..io.forms import checked
from ..io.run_folder import (
    CHECKPOINT,
    PEOPLE,
    UNFINISHED,
    clip_folder,
    earlier_runs,
    holds_people,
    locked,
    person_folder,
    refuse_earlier_run,
    safe_name,
)
from ..labelers import Labeler
from ..methods import Roles
from ..pipeline.checkpoint import another_run, read_checkpoint
from ..pipeline.identity import Identity, differences, run_identity
from ..results import FILES, AdaptResult, load, save, save_people
from ..results.finding import people_of
from ..types import Progress, Video

Finished = list[tuple[Path, AdaptResult]]


@dataclass(frozen=True)
class Place:
    """Where a run of some people of a clip goes."""

    clip: Path
    people: tuple[int, ...]

    @property
    def several(self) -> bool:
        """Whether each person has a folder in the clip's."""
        return len(self.people) > 1

    @property
    def folders(self) -> list[Path]:
        """Of each person."""
        if self.several:
            return [person_folder(self.clip, person) for person in self.people]
        return [clip_folder(self.clip.parent, self.clip.name, self.people[0])]

    @property
    def unfinished(self) -> Path:
        """The file that is there from the beginning of the run (of one person: from its first epoch) to its very end."""
        return self.clip / UNFINISHED if self.several else self.folders[0] / CHECKPOINT


def adapt_together(
    people: Sequence[Video],
    clip: Path,
    resolved: Resolved,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    roles: Roles | None = None,
    labeler: Labeler | None = None,
    video: Video | None = None,
) -> Finished:
    """Adapt to the people of a clip and write every file of the run into ``clip``, a folder that the caller has locked.

    Each person's state is kept after every epoch in ``checkpoint.pt`` until the results of all are written.

    Args:
        people: at least one.
        video: all frames of the clip, for what shows several people.

    Returns:
        The folder and the result of each person.

    Raises:
        SemttaError: the folder holds a run and neither ``resume`` nor ``overwrite`` is set, or ``resume`` is and the run is of
            something else.
    """
    place = Place(clip, tuple(one.person for one in people))
    roles = roles or build_roles(resolved.config)
    with ExitStack() as stack:
        for folder in place.folders:
            if folder != clip:
                stack.enter_context(locked(folder))
        identities = [run_identity(one, resolved.config, roles, place.people) for one in people]
        if overwrite:
            for folder in (*earlier_runs(clip, place.people), *place.folders):
                (folder / CHECKPOINT).unlink(missing_ok=True)
                (folder / UNFINISHED).unlink(missing_ok=True)
        elif not resume:
            refuse_earlier_run(clip, place.people)
        elif _is_finished(place, identities):
            for folder in place.folders:
                (folder / CHECKPOINT).unlink(missing_ok=True)
            results = [replace(load(folder), messages=_kept(folder)) for folder in place.folders]
            return list(zip(place.folders, results, strict=True))
        return _run(people, place, identities, resolved, resume, progress, roles, labeler, video)


def _run(
    people: Sequence[Video], place: Place, identities: Sequence[Identity], resolved: Resolved, resume: bool,
    progress: Progress | None, roles: Roles, labeler: Labeler | None, video: Video | None,
) -> Finished:  # fmt: skip
    checkpoints = [folder / CHECKPOINT for folder in place.folders]
    given = {role: part for role, part in {**vars(roles), "labeler": labeler}.items() if part is not None}
    try:
        if place.several:
            write_text(place.unfinished, json.dumps(dict(zip(place.people, identities, strict=True))) + "\n")
        results = adapt_people(people, **given, resolved=resolved, progress=progress, checkpoints=checkpoints, resume=resume)
        with replacing_files(place.clip) as files:  # all of them at once: a folder never holds files of two runs
            if place.several:
                save_people(results, files, place.people, video, roles.body, progress)
            else:
                name = place.folders[0].relative_to(place.clip)
                save(results[0], files, people[0], roles.body, progress, name=name.as_posix())
            written = {path.relative_to(files) for path in files.rglob("*")}
    except BaseException as error:
        begun = any(path.exists() for path in checkpoints)
        if place.several and not begun:  # nothing to go on from
            place.unfinished.unlink(missing_ok=True)
        if not isinstance(error, CannotWrite):
            raise
        kept = "; the same command with --resume then goes on" if begun else ""
        raise error.advising(f"Make room there or give another folder with --out{kept}.") from error
    _remove_earlier(place, results[0].name, written)
    for path in (place.unfinished, *checkpoints):  # with the first of them the run is finished
        path.unlink(missing_ok=True)
    return list(zip(place.folders, results, strict=True))


def _is_finished(place: Place, identities: Sequence[Identity]) -> bool:
    """Whether the run is there and finished, or is not; SemttaError that names the difference if another one is in its place."""
    earlier = earlier_runs(place.clip, place.people)
    if (place.clip / UNFINISHED).exists():  # several people's run is under way
        previous = _content(place.clip / UNFINISHED)
        _require_same(place, place.clip, [int(number) for number in previous], identities, list(previous.values()))
        return False
    for folder in earlier:
        if (folder / CHECKPOINT).exists():  # one person's run is under way, or several people's has just been finished
            if folder not in place.folders:
                _require_same(place, folder, _people_in(place.clip, [folder]))
            if not place.several:
                return False  # whether it is the same one is seen when it is read
            read_checkpoint(folder / CHECKPOINT, identities[place.folders.index(folder)])
    if not earlier:
        return False
    _require_same(place, earlier[0], people_of(place.clip) if holds_people(place.clip) else _people_in(place.clip, earlier[:1]))
    for folder, wanted in zip(place.folders, identities, strict=True):
        found = load(folder).config.get("identity")
        _require_same(place, folder, place.people, [wanted], [found if isinstance(found, dict) else {}])
    return True


def _require_same(
    place: Place, where: Path, people: Sequence[int], wanted: Sequence[Identity] = (), found: Sequence[Identity] = ()
) -> None:  # fmt: skip
    """SemttaError that names the first difference between this run and the one that is at ``where``."""
    if list(people) != list(place.people):
        raise another_run(where, [f"people: {_listed(place.people)}, was {_listed(people)}"])
    for requested, previous in zip(wanted, found, strict=True):
        if other := differences(requested, previous):
            raise another_run(where, other)


def _people_in(clip: Path, folders: Sequence[Path]) -> list[int]:
    """The numbers of the persons whose own runs are in these folders."""
    numbers = ("0" if folder == clip else folder.name.removeprefix("person-") for folder in folders)
    return [int(number) for number in numbers if number.isdigit()]


def _content(path: Path) -> dict[str, Identity]:
    """Identities by the person's number, as text."""
    then = " start again with --overwrite"
    with reading(path, "a whole file of an unfinished run", then=f":{then}"):
        content = checked(dict[str, Identity], json.loads(path.read_text(encoding="utf-8")), path)
        if not content or not all(number.isdigit() for number in content):
            raise ValueError("it names nobody")
    return content


def _kept(folder: Path) -> tuple[str, ...]:
    return (*load(folder).messages, f"{folder} was finished before: kept as it is.")


def _listed(people: Sequence[int]) -> str:
    return ", ".join(map(str, people)) or "nobody"


def _remove_earlier(place: Place, name: str, written: set[Path]) -> None:
    """Remove the files of the runs that this one has taken the place of, and what was made of them: viewers and exports."""
    stems, suffixes = {glob.escape(stem) for stem in (safe_name(name), place.clip.name)}, exporters.names()
    forms = [f"{stem}{form}.{suffix}" for stem in stems for form in ("", "-person-*") for suffix in suffixes]
    folders = dict.fromkeys((*place.folders, *earlier_runs(place.clip, place.people)))
    for folder in sorted(folders, key=lambda folder: folder == place.clip):  # people.json, which names the others, comes last
        made = sorted({path for form in forms for path in folder.glob(form)})
        for path in (*made, *(folder / file for file in (*FILES, "viewer.html", PEOPLE))):
            if path.relative_to(place.clip) not in written and path.is_file():
                path.unlink()
        if folder not in (place.clip, *place.folders):
            with suppress(OSError):  # not empty
                folder.rmdir()
