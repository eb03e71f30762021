"""A reader of GLB files that shares nothing with the writer."""

import json
import struct

import numpy as np


def read_glb(path):
    """(document, function that returns an accessor's array)."""
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    text_length, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    assert text_length % 4 == 0
    document = json.loads(data[20 : 20 + text_length])
    binary_length, kind = struct.unpack_from("<I4s", data, 20 + text_length)
    binary = data[28 + text_length :]
    assert kind == b"BIN\0"
    assert len(binary) == binary_length == document["buffers"][0]["byteLength"]

    def array(index):
        accessor = document["accessors"][index]
        view = document["bufferViews"][accessor["bufferView"]]
        kinds = {5126: np.float32, 5125: np.uint32, 5121: np.uint8}
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        chunk = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        assert view["byteOffset"] % 4 == 0
        values = np.frombuffer(chunk, kinds[accessor["componentType"]]).reshape(-1, width)
        assert len(values) == accessor["count"]
        if "min" in accessor:
            np.testing.assert_array_equal(np.float32(accessor["min"]), values.min(0))
            np.testing.assert_array_equal(np.float32(accessor["max"]), values.max(0))
        return values

    return document, array
