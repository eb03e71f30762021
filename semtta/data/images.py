"""Lazily decoded frames from image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import SemttaError


@dataclass(frozen=True)
class ImageFrames:
    """Image files of one size, in order. Iterating reads them: uint8 RGB [H, W, 3], ignoring any EXIF rotation."""

    paths: tuple[Path, ...]
    size: tuple[int, int]  # width, height in pixels

    @classmethod
    def open(cls, paths: Sequence[Path]) -> ImageFrames:
        """Check that every file exists, and read the size of the first; SemttaError names the first missing one."""
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise SemttaError(f"{len(missing)} of {len(paths)} images are missing, the first is {missing[0]}: unpack them again.")
        if not paths:
            raise SemttaError("There are no images.")
        return cls(tuple(paths), image_size(paths[0]))

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        for path in self.paths:
            picture = _read(path)
            if picture.shape[1::-1] != self.size:
                found, first = "x".join(map(str, picture.shape[1::-1])), "x".join(map(str, self.size))
                raise SemttaError(f"{path} is {found} pixels, the first of its clip {first}: it belongs to another clip.")
            yield picture


def image_size(path: Path) -> tuple[int, int]:
    """Width and height from an image's header; SemttaError for another kind of file."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError) as error:
        raise _damaged(path, error) from error


def _read(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SemttaError:
    return SemttaError(f"{path} is missing or not a readable image ({type(error).__name__}): unpack it again.")
