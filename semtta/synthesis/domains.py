"""The two domains of the synthetic world as numbers: ``STUDIO`` to train on, ``WILD`` to adapt to.

A range is (low, high) of a uniform distribution. Studio is a motion-capture hall: six backgrounds, four cameras at chest
height, plain clothes, even light, the whole body in view. Wild deliberately shares none of those settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import unknown_name

Range = tuple[float, float]


@dataclass(frozen=True)
class Domain:
    """Parameters of one domain; lengths in metres, angles in degrees, image sizes as fractions of the image's side."""

    name: str
    # camera
    cameras: int  # number of fixed camera positions, 0 = a new random one each time
    height_m: Range  # above the floor
    distance_m: Range
    pitch_deg: Range  # downwards, added to the angle that aims at the body's middle
    roll_deg: Range
    off_axis: float  # largest angle of the person from the optical axis, as a tangent
    # crop
    expand: Range  # side of the square box over the longer side of the joints' box
    shift: float  # largest shift of the box's centre, as a fraction of its side
    upper_box: float  # probability of a box around the upper body only, as from a detector that misses the legs
    truncated: float  # probability that the frame ends inside the crop
    # look
    backgrounds: int  # number of fixed backgrounds, 0 = a new random one each time
    clutter: tuple[int, int]  # shapes in the background
    patterned: float  # probability that a garment has a pattern
    saturation: Range  # of garments
    diffuse: Range
    ambient: Range
    lamp_elevation_deg: Range
    tint: float  # largest change of one channel of the light
    occluded: float  # probability of an object in front of the person
    occluders: int  # largest number of such objects
    # image
    defocus: Range  # sigma of the Gaussian blur
    motion_blur: float  # probability
    motion_length: Range
    low_resolution: float  # probability
    noise: Range  # standard deviation, 0-255
    jpeg_quality: tuple[int, int]
    gain: Range  # contrast
    brightness: Range  # added, 0-255


STUDIO = Domain(
    name="studio",
    cameras=4, height_m=(1.2, 1.6), distance_m=(3.8, 5.2), pitch_deg=(-2, 2), roll_deg=(-1, 1), off_axis=0.15,
    expand=(1.1, 1.4), shift=0.05, upper_box=0.0, truncated=0.0,
    backgrounds=6, clutter=(3, 6), patterned=0.1, saturation=(0.0, 0.6), diffuse=(0.45, 0.75), ambient=(0.35, 0.5),
    lamp_elevation_deg=(45, 80), tint=0.03, occluded=0.0, occluders=0,
    defocus=(0.0, 0.004), motion_blur=0.0, motion_length=(0.0, 0.0), low_resolution=0.0, noise=(0, 3),
    jpeg_quality=(85, 98), gain=(0.9, 1.1), brightness=(-8, 8),
)  # fmt: skip

WILD = Domain(
    name="wild",
    cameras=0, height_m=(0.3, 3.2), distance_m=(2.2, 9.0), pitch_deg=(-6, 6), roll_deg=(-7, 7), off_axis=0.35,
    expand=(1.0, 1.45), shift=0.1, upper_box=0.12, truncated=0.2,
    backgrounds=0, clutter=(8, 40), patterned=0.6, saturation=(0.0, 1.0), diffuse=(0.3, 1.2), ambient=(0.25, 0.6),
    lamp_elevation_deg=(5, 85), tint=0.2, occluded=0.45, occluders=3,
    defocus=(0.0, 0.01), motion_blur=0.35, motion_length=(0.01, 0.06), low_resolution=0.3, noise=(0, 8),
    jpeg_quality=(25, 90), gain=(0.75, 1.25), brightness=(-25, 25),
)  # fmt: skip

DOMAINS = {domain.name: domain for domain in (STUDIO, WILD)}


def get_domain(name: str) -> Domain:
    """The domain with this name; raises SemttaError for an unknown one."""
    if name not in DOMAINS:
        raise unknown_name("domain", name, DOMAINS)
    return DOMAINS[name]
