"""The camera that a video was taken with: as the user says, from a file, or from what the phone wrote into the video."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import SemttaError
from ..io.names import ffmpeg_url
from ..types import Camera, CameraPath
from .camera_files import read_camera_file

#: The diagonal of 35 mm film, mm: what "35 mm equivalent" refers to.
FILM_MM = math.hypot(36, 24)
#: Lenses that a phone or camera has, 35 mm equivalent.
LENSES_MM = (4.0, 3000.0)
#: Fields of view across the picture that a pinhole is believed to have, degrees.
NARROWEST, WIDEST = 0.05, 175.0
#: A key of a container's metadata, such as com.apple.quicktime.camera.focal_length.35mm_equivalent.
_LENS_KEY = re.compile(r"focal.?length.*35", re.IGNORECASE)
_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?)(?:\s*/\s*(\d+(?:\.\d*)?))?\s*(?:mm)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class KnownCamera:
    """What is known of a video's camera."""

    camera: Camera | None = None  # None: nothing
    path: CameraPath | None = None  # of a camera that moves
    messages: tuple[str, ...] = ()


def known_camera(
    path: Path,
    size: tuple[int, int],
    num_frames: int,
    focal_px: float | None = None,
    fov_deg: float | None = None,
    camera: str | Path | Camera | None = None,
) -> KnownCamera:
    """The camera of a video file: what is given, else what the file's metadata says, else nothing.

    Args:
        path: the video. A calibration of several cameras must have one of its name.
        size: its width and height as displayed, pixels.
        num_frames: that a camera's path must have.
        focal_px: focal length, pixels; the principal point is the picture's middle.
        fov_deg: instead, the horizontal field of view: the angle across the width of the displayed picture.
        camera: a Camera, or a file of one (``semtta.data.camera_files``). A file that has only a path may come with either.

    Raises:
        SemttaError: for numbers that no camera has, for two of them, and for a file of something else.
    """
    if focal_px is not None and fov_deg is not None:
        raise SemttaError("A focal length and a field of view say the same: give one of --focal and --fov.")
    said: Camera | None = None
    if focal_px is not None:
        said = _middle(focal_px, size, "given: focal length in pixels")
    elif fov_deg is not None:
        said = _middle(focal_of_fov(fov_deg, size[0]), size, f"given: horizontal field of view of {fov_deg:g} degrees")
    if camera is None:
        return KnownCamera(said or lens_camera(path, size))
    if isinstance(camera, Camera):
        found = KnownCamera(checked_camera(camera, size))
    else:
        read = read_camera_file(Path(camera), path.stem, size, num_frames)
        found = KnownCamera(read.camera and checked_camera(read.camera, size, f"{camera}: "), read.path, read.messages)
    if said is not None and found.camera is not None:
        raise SemttaError(f"{camera} has a focal length of its own: leave out --focal and --fov.")
    return replace(found, camera=found.camera or said or lens_camera(path, size))


def focal_of_fov(fov_deg: float, width_px: float) -> float:
    """Focal length in pixels of a horizontal field of view: ``width / 2 / tan(fov / 2)``; SemttaError beyond 0.05 to 175 degrees.

    >>> round(focal_of_fov(90, 1920), 6)
    960.0
    """
    if not NARROWEST <= fov_deg <= WIDEST:  # NaN is not
        raise SemttaError(
            f"A horizontal field of view of {fov_deg:g} degrees cannot be: give one from {NARROWEST:g} to {WIDEST:g} "
            "(a phone's main lens has 60 to 70)."
        )
    return width_px / 2 / math.tan(math.radians(fov_deg) / 2)


def checked_camera(camera: Camera, size: tuple[int, int], where: str = "") -> Camera:
    """The camera, if it can have taken pictures of ``size``; SemttaError otherwise."""
    least, most = (size[0] / 2 / math.tan(math.radians(angle) / 2) for angle in (WIDEST, NARROWEST))
    if not least <= camera.focal_px <= most:
        raise SemttaError(
            f"{where}A focal length of {camera.focal_px:g} px cannot be that of pictures {size[0]} px wide: give one from "
            f"{math.ceil(least)} to {math.floor(most)}, in pixels of this video (phones: 0.7 to 0.9 times its longer side)."
        )
    if not all(-side <= place <= 2 * side for place, side in zip(camera.center_px, size, strict=True)):
        raise SemttaError(
            f"{where}The principal point ({camera.center_px[0]:g}, {camera.center_px[1]:g}) is far outside the picture of "
            f"{size[0]} x {size[1]} pixels: give a camera of this video."
        )
    return camera


def lens_camera(path: Path, size: tuple[int, int]) -> Camera | None:
    """The camera by the 35 mm equivalent in a video's metadata, ``f35 diagonal / 43.27 mm``; None if the file has none.

    It is taken of the picture's diagonal, as its standard (CIPA DCG-001) has it; a video that was stabilised or zoomed by
    cutting its pictures sees less than it says.
    """
    lens = lens_mm(path)
    if lens is None:
        return None
    return _middle(lens / FILM_MM * math.hypot(*size), size, f"the file's metadata: a lens of {lens:g} mm (35 mm equivalent)")


def lens_mm(path: Path) -> float | None:
    """The focal length, 35 mm equivalent, that a video file's metadata states (QuickTime, Exif); None if it states none."""
    import av

    try:
        with av.open(ffmpeg_url(path), metadata_errors="replace", options={"protocol_whitelist": "file"}) as container:
            places = [container.metadata, *(stream.metadata for stream in container.streams.video)]
    except (av.FFmpegError, OSError, ValueError, MemoryError):  # whoever decodes it says so
        return None
    for key, value in (item for place in places for item in place.items()):
        number = _NUMBER.fullmatch(value) if _LENS_KEY.search(key) else None
        if number is not None:
            divisor = float(number[2] or 1)
            lens = float(number[1]) / divisor if divisor else 0.0
            if LENSES_MM[0] <= lens <= LENSES_MM[1]:
                return lens
    return None


def _middle(focal_px: float, size: tuple[int, int], source: str) -> Camera:
    return checked_camera(Camera(float(focal_px), (size[0] / 2, size[1] / 2), source), size)
