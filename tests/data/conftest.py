"""Small videos in many forms, written with PyAV."""

from fractions import Fraction

import av
import numpy as np
import pytest


def picture(width, height, number=0):
    """Grey, with a red top-left corner and a white column that tells the frame's number."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[: height // 4, : width // 4] = (255, 0, 0)
    image[height // 2 :, number % width] = 255
    return image


@pytest.fixture
def write_video(tmp_path):
    """write(name, num_frames=10, size=(64, 48), codec="libx264", pixels="yuv420p", ticks=None, rate=10) -> path."""

    def write(name, num_frames=10, size=(64, 48), codec="libx264", pixels="yuv420p", ticks=None, rate=10, frames=None):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            stream.codec_context.time_base = Fraction(1, rate)
            for i in range(num_frames):
                image = picture(*size, i) if frames is None else frames[i]
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = i if ticks is None else ticks[i]
                frame.time_base = Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
