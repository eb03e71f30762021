"""A pretended accelerator for machines without one: device ``pretended``, whose tensors compute on the CPU.

As on a GPU, a tensor on it and one on the CPU cannot be mixed (but for indices and single numbers), nor a generator of the
other side used; every copy between the two sides, which a GPU's host waits for, is counted in ``waits`` by the line of
semtta that asked for it. Changes torch for the whole process: use it in one of its own.
"""

import sys
from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretended"
waits: Counter[str] = Counter()
_own_generators: set[int] = set()  # the objects that operators are given are not those that Python code holds
_tensor, _as_tensor, _new_tensor, _Generator = torch.tensor, torch.as_tensor, torch.Tensor.new_tensor, torch.Generator
_get, _set = torch.Tensor.__getitem__, torch.Tensor.__setitem__


class There(torch.Tensor):
    """A tensor on the pretended device around one on the CPU."""

    @staticmethod
    def __new__(cls, here):
        return torch.Tensor._make_wrapper_subclass(
            cls, here.size(), strides=here.stride(), storage_offset=here.storage_offset(), dtype=here.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip

    def __init__(self, here):
        self.here = here

    def __repr__(self):
        return f"There({self.here})"

    def tolist(self):
        _wait()
        return self.here.tolist()

    def numpy(self, *_, **__):
        raise TypeError("can't convert a pretended tensor to numpy: copy it to the host first")

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, operator, types, args=(), kwargs=None):
        return _run(operator, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Sees what is made on the device without a tensor of it."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        return _run(operator, args, kwargs or {})


class _PretendedGenerator(_Generator):
    def __new__(cls, device="cpu"):
        return super().__new__(cls)

    def __init__(self, device="cpu"):
        self.place = torch.device(device)
        (_own_generators.add if self.place.type == NAME else _own_generators.discard)(self._cdata)

    @property
    def device(self):
        return self.place


def _wait():
    frame = sys._getframe()
    while frame and "/semtta/" not in frame.f_code.co_filename:
        frame = frame.f_back
    waits[f"{frame.f_code.co_filename.split('/semtta/')[-1]}:{frame.f_code.co_name}" if frame else "elsewhere"] += 1


def _map(change, x):
    """``change`` of everything in lists, tuples and dicts; torch's own tree_map takes most of the time of a test."""
    if isinstance(x, (list, tuple)):
        return type(x)([_map(change, y) for y in x])
    return {key: _map(change, y) for key, y in x.items()} if isinstance(x, dict) else change(x)


def _run(operator, args, kwargs):
    name = operator.__name__.split(".")[0]
    tensors = []
    _map(lambda x: tensors.append(x) if isinstance(x, torch.Tensor) else None, (args, kwargs))
    there = [x for x in tensors if isinstance(x, There)]
    indexing = name in ("index", "index_put", "index_put_", "_index_put_impl_")
    if there and name not in ("copy_", "_to_copy"):
        strangers = [x for x in tensors if not isinstance(x, There) and x.dim()]
        if strangers and not (indexing and isinstance(args[0], There)):
            raise RuntimeError(f"{operator}: tensors on two devices, {[(tuple(x.shape), x.device.type) for x in tensors]}")
        if strangers:
            _wait()
    wanted = kwargs.get("device")
    device = torch.device(wanted).type if wanted is not None else NAME if there else "cpu"
    if wanted is not None and device == NAME:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    generator = kwargs.get("generator")
    if generator is not None and (generator._cdata in _own_generators) != (device == NAME):
        raise RuntimeError(f"{operator}: generator and tensor on two devices")
    if name == "_local_scalar_dense" and there:
        _wait()
    if name in ("_to_copy", "copy_") and any(x.dim() for x in tensors):
        sides = {isinstance(x, There) for x in tensors} | ({device == NAME} if name == "_to_copy" else set())
        if len(sides) == 2:
            _wait()
    known = {id(x.here): x for x in there}
    args, kwargs = _map(lambda x: x.here if isinstance(x, There) else x, (args, kwargs))
    out = operator(*args, **kwargs)
    if device != NAME:
        return out

    def wrapped(x):
        if not isinstance(x, torch.Tensor):
            return x
        return known[id(x)] if id(x) in known else There(x)  # what is changed in place stays the same object

    return _map(wrapped, out)


def _made_here(make):
    """A maker of tensors from Python values, which goes past the dispatch that There and _Mode rest on."""

    def call(data, *args, device=None, requires_grad=False, **kwargs):
        if isinstance(data, torch.Tensor):
            return data.to(device=device, dtype=kwargs.get("dtype"))
        if device is None:
            device = torch.empty(0).device
        with torch.device("cpu"):
            made = make(data, *args, **kwargs)
        return made.to(device).requires_grad_(requires_grad)

    return call


def _new(self, data, dtype=None, device=None, **kwargs):
    if self.device.type != NAME:
        return _new_tensor(self, data, dtype=dtype, device=device, **kwargs)
    return torch.tensor(data, dtype=dtype or self.dtype, device=device or self.device)


def _as_tensors(index):
    """Lists in an index as tensors on the host, as PyTorch takes them."""

    def one(i):
        if isinstance(i, (list, tuple)) and i and not isinstance(i[0], (slice, torch.Tensor)):
            with torch.device("cpu"):
                return _tensor(list(i))
        return i

    return tuple(map(one, index)) if isinstance(index, tuple) else one(index) if isinstance(index, list) else index


def install():
    """Make ``torch.device("pretended")`` work inside the context that is returned."""
    _setup_privateuseone_for_python_backend(NAME)
    getattr(torch, NAME).get_amp_supported_dtype = list  # asked for by autocast, also where it is switched off
    torch.__future__.set_swap_module_params_on_conversion(True)
    torch.Generator = _PretendedGenerator
    torch.tensor, torch.as_tensor, torch.Tensor.new_tensor = _made_here(_tensor), _made_here(_as_tensor), _new
    torch.Tensor.__getitem__ = lambda self, i: _get(self, _as_tensors(i) if self.device.type == NAME else i)
    torch.Tensor.__setitem__ = lambda self, i, v: _set(self, _as_tensors(i) if self.device.type == NAME else i, v)
    return _Mode()
