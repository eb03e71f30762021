"""Layers of settings by dotted key, how they are read, and how the highest one wins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import LONGEST, SemttaError, one_line, shortened
from ..io.yaml_files import parse_yaml, read_yaml
from .tree import LISTED_ROLES, SINGLE_ROLES, AdaptConfig, LoopSettings

Flat = dict[str, Any]  # "prior.sigma" -> 0.4


def flatten(settings: Mapping[str, Any]) -> Flat:
    """Nested or dotted settings -> dotted keys.

    ``{"prior": "infill", "loop": {"epochs": 3}, "updaters": ["ema"]}`` is ``{"prior.name": "infill", "loop.epochs": 3,
    "updaters": ("ema",)}``; a list's item may be a mapping of ``name`` and settings. ``epochs`` is short for
    ``loop.epochs``, ``vlm.`` stands for ``labeler.``. SemttaError for a key that is no text, and for a part that is neither
    a name nor a mapping.
    """
    flat: Flat = {}
    for key, value in settings.items():
        if not isinstance(key, str) or not all(part.strip() for part in key.split(".")):
            raise SemttaError(f"The setting {shortened(repr(key), 80)} is no name: write it as loop.epochs.")
        key = _full_key(key)
        head = key.split(".")[0]
        if key in SINGLE_ROLES and not isinstance(value, Mapping):
            if not isinstance(value, str):
                raise SemttaError(f"Setting {key}={shown(value)}: give a name, such as {key}: none.")
            flat[f"{key}.name"] = value
        elif key in LISTED_ROLES and not isinstance(value, Mapping):
            flat |= _flat_list(key, value)
        elif isinstance(value, Mapping) and not (head in LISTED_ROLES and key.count(".") > 1):
            flat |= flatten({f"{key}.{inner}": item for inner, item in value.items()})
        else:
            flat[key] = value
    return flat


def _full_key(key: str) -> str:
    if key == "vlm" or key.startswith("vlm."):  # several labelers have those settings
        return f"labeler{key[3:]}"
    return f"loop.{key}" if key in LoopSettings.model_fields else key


def _flat_list(role: str, items: Any) -> Flat:
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise SemttaError(f"Setting {role}={shown(items)}: give a list of names, such as [ema].")
    flat: Flat = {}
    names: list[str] = []
    for item in items:
        if isinstance(item, str):
            names.append(item)
        elif isinstance(item, Mapping) and isinstance(item.get("name"), str):
            names.append(item["name"])
            flat |= {f"{role}.{item['name']}.{key}": value for key, value in item.items() if key != "name"}
        else:
            raise SemttaError(f"Setting {role}: {shown(item)} is neither a name nor a mapping with one.")
    return {role: tuple(names), **flat}


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys -> nested mappings. SemttaError for a key within another's value."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *groups, leaf = key.split(".")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise SemttaError(f"Setting {key}: {group} is {shown(place)}, which has no {leaf}.")
        place[leaf] = value
    return tree


def shown(value: Any) -> str:
    """A value as messages repeat it."""
    return shortened(repr(value), 60)


def parse_assignments(items: Sequence[str]) -> Flat:
    """``["loop.epochs=3", "updaters=[ema]"]`` -> dotted keys; values are YAML. SemttaError for one that is not readable."""
    parsed: Flat = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not separator or not key.strip():
            raise SemttaError(f"--set {one_line(item, 80)}: write it as key=value, such as loop.epochs=3.")
        parsed |= flatten({key.strip(): parse_yaml(value, f"the value of --set {one_line(item, 80)}")})
    return parsed


def read_settings(path: str | Path) -> dict[str, Any]:
    """Settings in a YAML file: a run's ``config.yaml``, or any mapping of settings; ``preset`` may be among them."""
    loaded = read_yaml(path, "settings")
    if not isinstance(loaded, dict):
        raise SemttaError(f"{path} is not a mapping of settings, such as a run's config.yaml.")
    preset, settings = loaded.get("preset"), loaded.get("settings", loaded)
    if preset is not None and not isinstance(preset, str):
        raise SemttaError(f"{path}: preset must be a name, not {shown(preset)}.")
    if not isinstance(settings, dict):
        raise SemttaError(f"{path}: 'settings' is not a mapping.")
    stray = [key for key in loaded if settings is not loaded and _is_setting(key)]
    if stray:
        raise SemttaError(f"{path}: '{stray[0]}' stands beside 'settings', where it is not read: put it under 'settings'.")
    return {**({"preset": preset} if preset else {}), **settings}


def _is_setting(key: str) -> bool:
    """Whether a key of a file names a setting, and nothing that a run records beside its settings."""
    return "." in key or key in LoopSettings.model_fields or key in {*AdaptConfig.model_fields} - {"device", "threads"}


def unknown_setting(key: str, known: Iterable[str], of: str = "") -> SemttaError:
    """The error for a key that nothing reads, or not the part that ``of`` names: it names the nearest five."""
    known = list(known)
    tails = {name.rsplit(".", 1)[-1]: name for name in known}
    key = shortened(key, LONGEST)
    near = difflib.get_close_matches(key, known, n=5, cutoff=0.4)
    near += [tails[t] for t in difflib.get_close_matches(key.rsplit(".", 1)[-1], list(tails), n=5, cutoff=0.6)]
    hint = ", ".join(dict.fromkeys(near[:5])) or ", ".join(sorted(known)[:5])
    did = f" Did you mean '{near[0]}'?" if near else ""
    return SemttaError(f"Unknown setting '{one_line(key, 80)}'{of}.{did} Near it: {hint}. 'semtta config' prints all.")
