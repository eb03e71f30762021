"""``synthwild``, the included benchmark: its clips, and how they are rendered from the packed motions beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import assets
from ..errors import CannotWrite, SemttaError, unknown_name
from ..io.files import sha256, write_atomically
from ..motions.mocap import MotionClip, load_file
from ..types import Progress
from .domains import WILD
from .workers import in_any_order

if TYPE_CHECKING:
    from .clips import Situation

FOLDER = Path(assets.__file__).parent / "synthwild"
INDEX = "index.json"
SIZE = (480, 360)  # width, height, pixels
CRF = 25
SPLITS = ("val", "test")


@dataclass(frozen=True)
class Take:
    """One clip of the benchmark. Its random seed is its index in ``TAKES``."""

    split: str
    situation: Situation
    label: str
    motion: str  # clip id in the packed motions, prefixed with its source
    start: int  # first frame of the motion, 30 fps
    frames: int
    azimuth_deg: float  # camera direction, from the person's front to their left
    cyclic: bool = False  # the motion is one cycle, repeated

    @property
    def name(self) -> str:
        """``test-jumping-clear``"""
        return f"{self.split}-{self.label.replace(' ', '-')}-{self.situation}"


TAKES = (
    Take("val", "clear", "jumping", "cmu_jumping_train_1", 0, 104, 40),
    Take("val", "clear", "waving the right hand", "bandai2_wave-right-hand_normal_006", 40, 120, -20),
    Take("val", "occluded", "walking", "cmu_walking_extra_train_32", 12, 120, 65),
    Take("val", "occluded", "running", "deepmimic_sie_run_forward14", 12, 100, -50),
    Take("val", "truncated", "walking and turning left", "bandai2_walk-turn-left_normal_026", 20, 120, 30),
    Take("val", "truncated", "playing soccer", "cmu_soccer_test_1", 20, 120, -75),
    Take("test", "clear", "jumping", "deepmimic_jump", 0, 105, -45, cyclic=True),
    Take("test", "clear", "punching", "deepmimic_sie_punch_forward02", 0, 105, 35, cyclic=True),
    Take("test", "clear", "bowing", "bandai1_bow_sad_001", 50, 120, -70),
    Take("test", "clear", "jogging", "deepmimic_jog", 0, 100, 60, cyclic=True),
    Take("test", "occluded", "walking", "deepmimic_long_walk3", 95, 120, -60),
    Take("test", "occluded", "running", "deepmimic_sie_run_forward08", 40, 120, 50),
    Take("test", "occluded", "walking and turning left", "deepmimic_long_walk1", 10, 120, -30),
    Take("test", "occluded", "waving the left hand", "bandai2_wave-left-hand_masculine_012", 50, 120, 20),
    Take("test", "truncated", "walking", "deepmimic_stealthy_walk1", 330, 120, 45),
    Take("test", "truncated", "walking and turning right", "deepmimic_long_walk2", 10, 120, 70),
    Take("test", "truncated", "playing soccer", "cmu_soccer_train_1", 40, 120, -40),
    Take("test", "truncated", "raising both hands", "bandai2_raise-up-both-hands_exhausted_038", 0, 120, -15),
)


def takes(split: str | None = None) -> list[Take]:
    """The clips of a split, or all for None; raises SemttaError for an unknown split."""
    if split not in (None, *SPLITS):
        raise unknown_name("split", str(split), SPLITS)
    return [take for take in TAKES if split in (None, take.split)]


def licence(motion: str) -> str:
    """The licence of a motion, by its source."""
    if motion.startswith("cmu"):
        return "CMU mocap (free for all uses)"
    return "CC-BY-NC-4.0" if motion.startswith(("bandai", "deepmimic_sie")) else "MIT"


def build(out: Path, split: str | None = None, workers: int = 1, progress: Progress | None = None) -> Path:
    """Render the benchmark into a folder, from the included motions. Existing clips are kept.

    Args:
        split: ``val``, ``test`` or None for both.
        workers: processes, each rendering one clip at a time.
        progress: follows the clips.
    Returns: the folder. Its ``index.json`` lists the existing clips with the sha256 of their files.
    Raises: SemttaError if the disk is full or not writable. Finished clips stay and are not rendered again.
    """
    out, wanted = Path(out), takes(split)
    motions = {motion.clip_id: motion for motion in load_file(FOLDER / "motions.npz")}
    rows = {row["name"]: row for row in read_index(out)} if (out / INDEX).exists() else {}
    rows = {take.name: rows[take.name] for take in TAKES if is_whole(out, rows.get(take.name), take)}
    missing = [take for take in wanted if take.name not in rows]
    _write_index(out, list(rows.values()))  # fails early if the folder cannot be written
    report = progress or (lambda what, done, total: None)
    report("clips", len(wanted) - len(missing), len(wanted))
    tasks = [(take, motions[take.motion], out) for take in missing]
    for done, row in enumerate(in_any_order(_render, tasks, workers), len(wanted) - len(missing) + 1):
        rows[row["name"]] = row
        _write_index(out, [rows[take.name] for take in TAKES if take.name in rows])
        report("clips", done, len(wanted))
    return out


def read_index(folder: Path) -> list[dict[str, Any]]:
    """The rows of ``index.json``: the fields of ``Take``, ``name``, ``licence`` and ``files`` (path in the folder -> sha256)."""
    path = Path(folder) / INDEX
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not all({"name", "split", "label", "situation", "frames", "files"} <= row.keys() for row in rows):
            raise ValueError("a row lacks fields")
    except FileNotFoundError as error:
        raise SemttaError(f"No synthwild clips in {folder}: render them with 'semtta synth synthwild --out {folder}'.") from error
    except (ValueError, AttributeError, OSError) as error:
        raise SemttaError(f"{path} is not the index of synthwild ({error}): delete it and render the clips again.") from error
    return rows


def is_whole(folder: Path, row: dict[str, Any] | None, take: Take | None = None) -> bool:
    """Whether the files of a row exist unchanged (by sha256) and, if ``take`` is given, belong to the same take."""
    if row is None or (take is not None and row != _row(take, row["files"])):
        return False
    return all((folder / name).is_file() and sha256(folder / name) == digest for name, digest in row["files"].items())


def _render(task: tuple[Take, MotionClip, Path]) -> dict[str, Any]:
    """Render one clip into ``out/NAME``; returns its row of the index."""
    from .clips import Script, render_clip, save_clip

    take, motion, out = task
    script = Script(take.situation, size=SIZE, azimuth_deg=take.azimuth_deg)
    save_clip(render_clip(motion, script, WILD, TAKES.index(take), take.name), out / take.name, crf=CRF)
    names = [f"{take.name}/{name}" for name in (f"{take.name}.mp4", "keypoints.npz", "ground_truth.npz")]
    return _row(take, {name: sha256(out / name) for name in names})


def _row(take: Take, files: dict[str, str]) -> dict[str, Any]:
    return {"name": take.name, **asdict(take), "licence": licence(take.motion), "files": files}


def _write_index(out: Path, rows: list[dict[str, Any]]) -> None:
    text = json.dumps(rows, indent=1) + "\n"
    try:
        write_atomically(out / INDEX, lambda path: path.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise CannotWrite.of(out, error) from error
