"""Networks in files: this project's safetensors, or the checkpoint of the network's original project."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from ..errors import SemttaError, first_line
from .forms import checked
from .unpickling import StandIn
from .weights import load_strictly, load_weights, require_fit, save_weights, without_prefix

if TYPE_CHECKING:
    from typing import Self


Config = TypeVar("Config")


class Checkpointed(nn.Module):
    """Mixin for a network that is saved to and loaded from one file; list it before the network's other base classes.

    A file holds a table of tensors and a table of metadata; the network is built from the metadata, then takes the tensors.
    A subclass sets its name in files (``kind``) and overrides what differs from the default:

    - ``config_type``: the dataclass of its sizes, if ``self.config`` is one and all that ``__init__`` needs;
    - ``described`` and ``build``: other metadata, and the network built from them;
    - ``original``: converts the original project's checkpoint to such tensors and metadata.
    """

    kind: ClassVar[str]
    config_type: ClassVar[type]

    def save(self, path: str | Path, **metadata: Any) -> Path:
        """Write weights, sizes and ``metadata`` (JSON values) to one safetensors file, atomically."""
        return save_weights(path, self.kind, self.packed(), **self.described(), **metadata)

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> Self:
        """Read this project's safetensors, or the original project's checkpoint; the network is in evaluation mode.

        Nothing in a pickle is executed. Raises SemttaError for a file of another kind, a damaged file, and for missing,
        unexpected or misshapen tensors.
        """
        path = Path(path)
        with _describing(path, cls.__name__):
            tensors, metadata = load_weights(path, cls.kind) if path.suffix == ".safetensors" else cls.original(path)
        with _describing(path, cls.__name__, f"{path}: "):
            require_sizes(tensors, metadata.get("config"))
            with torch.device("meta"):  # a network of sizes that the file's tensors do not have could take all memory
                sketch = cls.build(tensors, metadata)
        require_fit(sketch, sketch.unpacked(tensors), path)
        with _describing(path, cls.__name__, f"{path}: "):
            model = cls.build(tensors, metadata)
        load_strictly(model, model.unpacked(tensors), path)
        return model.eval()

    def packed(self) -> dict[str, Tensor]:
        """The tensors to save."""
        return self.state_dict()

    def unpacked(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of a file that belong to the network's state."""
        return tensors

    def described(self) -> dict[str, Any]:
        """The metadata to save that ``build`` needs."""
        return {"config": asdict(cast(Any, self.config))}

    @classmethod
    def build(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Self:
        """A network with the sizes in a file's metadata; its weights are not loaded yet."""
        return cls(config_of(cls.config_type, metadata["config"]))

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """Tensors (under this project's names) and metadata of the original project's checkpoint; by default there is none."""
        return load_weights(path, cls.kind)  # raises: not a weights file


def config_of(kind: type[Config], sizes: Mapping[str, Any]) -> Config:
    """The dataclass of a network's sizes from those in a file; raises for a field that it lacks, and a value of another type."""
    kind(**sizes)  # a field that it lacks
    return checked(kind, dict(sizes), "config")


@contextmanager
def _describing(path: Path, what: str, head: str = "") -> Iterator[None]:
    """Turns what impossible sizes raise, which can be nearly anything, into a SemttaError; ``head`` goes before others' texts."""
    try:
        yield
    except SemttaError as error:
        raise SemttaError(f"{head}{error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise SemttaError(f"{path} does not describe a {what} ({reason}): fetch it again.") from error


def require_sizes(tensors: Mapping[str, Tensor], sizes: object) -> None:
    """ValueError for a number among the sizes in a file that is none, or beyond what its tensors can be of."""
    largest = max([1024, len(tensors), *(max(value.shape, default=0) for value in tensors.values())])
    for value in sizes.values() if isinstance(sizes, Mapping) else sizes if isinstance(sizes, (list, tuple)) else [sizes]:
        if isinstance(value, (Mapping, list, tuple)):
            require_sizes(tensors, value)
        elif isinstance(value, int) and value > largest:
            raise ValueError(f"a size of {value}, where no tensor is larger than {largest}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} among its sizes")


def tensor_table(content: object, *keys: str, otherwise: str) -> dict[str, Tensor]:
    """The table of tensors in a checkpoint's content, without DataParallel's ``module.`` prefix in their names.

    It lies under the first of ``keys`` that is there; "" stands for the content itself. Raises SemttaError(``otherwise``)
    where there is none, or where it holds anything but tensors; where a pickle wanted to call something in their place, it
    says what.
    """
    named = content if isinstance(content, Mapping) else {"": content}
    places = {key: content if key == "" else named.get(key) for key in keys}
    table = next((place for place in places.values() if isinstance(place, Mapping)), None)
    if table is None or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in table.items()):
        inert = {"": content, **places} if table is None else table
        called = next((f" In place of {_place(name)} it has {value!r}: nothing of that was executed."
                       for name, value in inert.items() if _stands_in(value)), "")  # fmt: skip
        raise SemttaError(otherwise + called)
    for name, value in table.items():
        if value.layout != torch.strided or value.numel() * value.element_size() > 4 * value.untyped_storage().nbytes() + (
            1 << 20
        ):
            raise SemttaError(f"{otherwise} '{name}' is not stored as it is: {tuple(value.shape)} of few values.")
    return without_prefix(table)


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under ``prefix``, without it, where a table holds several networks; all of them where none has it."""
    return {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)} or dict(tensors)


def _stands_in(value: object) -> bool:
    return isinstance(value, StandIn) or (isinstance(value, type) and issubclass(value, StandIn))


def _place(name: object) -> str:
    return f"'{name}'" if name else "a table"


def renamed(name: str, names: Mapping[str, str]) -> str:
    """A parameter's name with every key of ``names`` in it replaced by its value."""
    for theirs, ours in names.items():
        name = name.replace(theirs, ours)
    return name


def count_layers(tensors: Mapping[str, Tensor], prefix: str, default: int) -> int:
    """The number of layers (distinct numbers after ``prefix`` in the tensors' names); ``default`` if there are none."""
    return len({name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix)}) or default


def size_of(tensors: Mapping[str, Tensor], name: str, dimension: int, default: int) -> int:
    """The length of a tensor's dimension; ``default`` if it is missing, which strict loading then reports."""
    return tensors[name].shape[dimension] if name in tensors else default
