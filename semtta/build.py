"""From names to parts: settings in layers become an ``AdaptConfig``, and that becomes the parts of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import losses
from .body import Body, bodies
from .body import load as load_body
from .denoisers import denoisers
from .detectors import detectors
from .errors import SemttaError, unknown_name
from .estimators import Estimator, estimators
from .generators import Generator, generators
from .labelers import Labeler, labelers
from .methods import Roles, methods
from .priors import Prior, priors
from .refine import refiners
from .registry import NoSettings, Registry, Settings
from .settings import (
    LISTED_ROLES,
    PRESETS,
    SINGLE_ROLES,
    AdaptConfig,
    CropSettings,
    EvidenceSettings,
    LabelSettings,
    LoopSettings,
    Part,
    flatten,
    nested,
    shown,
    unknown_setting,
)
from .updaters import updaters

REGISTRIES: dict[str, Registry[Any]] = {
    "method": methods, "estimator": estimators, "body": bodies, "denoiser": denoisers, "prior": priors, "generator": generators,
    "labeler": labelers, "detector": detectors, "updaters": updaters, "losses": losses.terms,
    "refiners": refiners,
}  # fmt: skip
_GROUPS: dict[str, type[Settings]] = {
    "loop": LoopSettings, "evidence": EvidenceSettings, "crop": CropSettings, "labels": LabelSettings,
}  # fmt: skip
_RUN = ("seed", "device", "threads")
DEFAULT_PRESET = "best"

Layer = tuple[str, dict[str, Any]]  # where its values come from, and they by dotted key


@dataclass(frozen=True)
class Resolved:
    """Settings, and where each came from."""

    config: AdaptConfig
    origins: Mapping[str, str]  # "loop.epochs" -> "estimator open"
    preset: str

    def dump(self) -> dict[str, Any]:
        """What ``config.yaml`` keeps of it."""
        return {"preset": self.preset, "settings": self.config.dump(), "origins": dict(self.origins)}


def resolve(
    preset: str | None = None,
    settings: Mapping[str, Any] | Iterable[tuple[str, Mapping[str, Any]]] = (),
    given: Mapping[str, Any] | None = None,
) -> Resolved:
    """All settings of a run: what the user sets, over the preset, over what suits the parts, over the fields' defaults.

    Args:
        preset: a name of ``semtta.settings.PRESETS``; None: ``best``, or the ``preset`` among the settings.
        settings: nested or by dotted key, ``{"prior": "infill", "loop.epochs": 3}``; or several of them as (origin, settings),
            the lowest first.
        given: role -> a part that is ready made: it has no settings, but may carry ``suits``.

    Raises:
        SemttaError: an unknown preset, part or setting (with the nearest), or a value that cannot be.
    """
    layers: list[Layer] = []
    for origin, values in [("user", settings)] if isinstance(settings, Mapping) else settings:
        values = dict(values)
        preset = preset or values.pop("preset", None)
        values.pop("preset", None)
        layers.append((origin, flatten(values)))
    preset = preset or DEFAULT_PRESET
    if not isinstance(preset, str):
        raise SemttaError(f"preset={shown(preset)}: give the name of one ({', '.join(PRESETS)}).")
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    given = given or {}
    layers.insert(0, (f"preset {preset}", flatten(PRESETS[preset].values)))
    names = _names(layers, given)
    of_method = PRESETS[preset].methods.get(_head(names["method"]), {})
    layers.insert(1, (f"preset {preset} for {names['method']}", dict(of_method)))
    layers = _of_chosen_parts(_suits(names, given) + layers, names)
    return _assemble(layers, _names(layers, given), given, preset)  # what suits a part may add a loss term


def make_config(settings: Mapping[str, Any]) -> AdaptConfig:
    """Settings over the fields' defaults (the paper's), without a preset and without what suits the parts."""
    layers: list[Layer] = [("user", flatten(settings))]
    return _assemble(layers, _names(layers, {}), {}, "").config


def build_roles(config: AdaptConfig, given: Mapping[str, Any] | None = None) -> Roles:
    """The parts that ``config`` names, or that are ``given``. SemttaError for one that cannot be made."""
    given = given or {}
    for role in LISTED_ROLES:
        for part in getattr(config, role):
            REGISTRIES[role].entry(part.name)
    methods.entry(config.method.name)
    body = given.get("body") or load_body(config.body.name)
    return Roles(
        estimator=given.get("estimator") or build_estimator(config, body),
        body=body,
        denoiser=given.get("denoiser") or _create("denoiser", config),
        prior=given.get("prior") or build_prior(config),
    )


def build_estimator(config: AdaptConfig, body: Body | None = None) -> Estimator:
    """The estimator that ``config`` names, with the body (by default the one that it names) if it needs one."""
    part, needs = config.estimator, {}
    if "body" in estimators.entry(part.name).needs:
        needs["body"] = body or load_body(config.body.name)
    return estimators.create(part.name, part.settings, **needs)


def build_prior(config: AdaptConfig) -> Prior:
    """The prior that ``config`` names, with its generator if it needs one, and sigma as set."""
    needs = {}
    if "generator" in priors.entry(config.prior.name).needs:
        needs["generator"] = build_generator(config)
    prior: Prior = priors.create(config.prior.name, config.prior.settings, **needs)
    sigma = getattr(config.prior.settings, "sigma", None)
    if sigma is not None:
        prior.threshold = sigma
    return prior


def build_generator(config: AdaptConfig) -> Generator:
    """The generator that ``config`` names, with the prior that its ``source`` names if it needs one."""
    part, needs = config.generator, {}
    if "prior" in generators.entry(part.name).needs:
        needs["prior"] = priors.create(getattr(part.settings, "source", "open"))
    return generators.create(part.name, part.settings, **needs)


def build_labeler(config: AdaptConfig) -> Labeler:
    """The labeler that ``config`` names."""
    return labelers.create(config.labeler.name, config.labeler.settings)


def _create(role: str, config: AdaptConfig) -> Any:
    part = getattr(config, role)
    return REGISTRIES[role].create(part.name, part.settings)


# -- layers -----------------------------------------------------------------------------------------------------------


def _names(layers: Iterable[Layer], given: Mapping[str, Any]) -> dict[str, Any]:
    """Which part each role has: the highest layer that names one decides, a given part before all."""
    names: dict[str, Any] = {role: AdaptConfig.model_fields[role].default.name for role in SINGLE_ROLES}
    names |= {role: tuple(part.name for part in AdaptConfig.model_fields[role].default) for role in LISTED_ROLES}
    mentioned: set[str] = set()
    for _, values in layers:
        names |= {role: values[f"{role}.name"] for role in SINGLE_ROLES if f"{role}.name" in values}
        names |= {role: values[role] for role in LISTED_ROLES if role in values}
        mentioned = set() if "losses" in values else mentioned  # a list decides over what lower layers mention
        mentioned |= {key.split(".")[1] for key in values if key.startswith("losses.")}
    names["losses"] = tuple(dict.fromkeys((*names["losses"], *sorted(mentioned))))  # a term is added by setting its weight
    for role in SINGLE_ROLES:
        if not isinstance(names[role], str):
            raise SemttaError(f"Setting {role}={shown(names[role])}: give a name.")
    return names | {role: part_name(part) for role, part in given.items()}


def part_name(part: object) -> str:
    """The name of a part that is ready made: its own, else its class's."""
    return getattr(part, "name", "") or type(part).__name__


def _head(name: str) -> str:
    return name.partition(":")[0]


def _of_chosen_parts(layers: Iterable[Layer], names: Mapping[str, Any]) -> list[Layer]:
    """The layers without settings of a part that the layer names and a higher one has replaced."""
    kept = []
    for origin, values in layers:
        gone = tuple(
            f"{role}." for role in SINGLE_ROLES if _head(str(values.get(f"{role}.name", names[role]))) != _head(names[role])
        )
        kept.append((origin, {key: value for key, value in values.items() if not (gone and key.startswith(gone))}))
    return kept


def _suits(names: Mapping[str, Any], given: Mapping[str, Any]) -> list[Layer]:
    """What suits the parts, lowest first: estimator, prior, method, and the estimator under that method."""
    method = _head(names["method"])
    layers: list[Layer] = []
    for role in ("estimator", "prior", "method"):
        suits = getattr(given[role], "suits", {}) if role in given else REGISTRIES[role].entry(names[role]).suits
        layers.append((f"{role} {names[role]}", flatten(suits)))
    if "estimator" in given:
        under = getattr(given["estimator"], "method_suits", {}).get(method, {})
    else:
        under = estimators.entry(names["estimator"]).method_suits.get(method, {})
    return [*layers, (f"estimator {names['estimator']} for {method}", flatten(under))]


def _assemble(layers: Iterable[Layer], names: Mapping[str, Any], given: Mapping[str, Any], preset: str) -> Resolved:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    models = _models(names, given)
    known = _known_keys(models)
    for origin, layer in layers:
        layer = {_full_key(key, known): value for key, value in layer.items()}
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    _refuse_unknown(values, known, names)
    fields: dict[str, Any] = {}
    for role in SINGLE_ROLES:
        fields[role] = Part(name=names[role], settings=_validated(role, models[role], values))
    for role in LISTED_ROLES:
        fields[role] = tuple(
            Part(name=name, settings=_validated(f"{role}.{name}", models[f"{role}.{name}"], values)) for name in names[role]
        )
    for group, model in _GROUPS.items():
        fields[group] = _validated(group, model, values)
    run = {key: values[key] for key in _RUN if key in values}
    config = _validated("", AdaptConfig, run, **fields)
    return Resolved(config, {key: origins.get(key, "default") for key in _keys(config)}, preset)


def _models(names: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, type[Settings]]:
    """The settings model of each part by its place in the tree."""
    models: dict[str, type[Settings]] = {}
    for role in SINGLE_ROLES:
        if role in given or (role == "body" and is_body_file(names[role])):
            models[role] = NoSettings
        else:
            models[role] = REGISTRIES[role].entry(names[role]).settings
    for role in LISTED_ROLES:
        for name in names[role]:
            models[f"{role}.{name}"] = REGISTRIES[role].entry(name).settings
    return models


def is_body_file(name: str) -> bool:
    """Whether a body is named by a model file's path."""
    return Path(name).suffix.lower() in (".npz", ".pkl")


def _known_keys(models: Mapping[str, type[Settings]]) -> list[str]:
    known = [*_RUN, *LISTED_ROLES, *(f"{role}.name" for role in SINGLE_ROLES)]
    for place, model in {**models, **_GROUPS}.items():
        known += [f"{place}.{field}" for field in model.model_fields]
    return known


def _full_key(key: str, known: Iterable[str]) -> str:
    """A key without a group is the only one that ends so: ``sigma`` is ``prior.sigma``."""
    if "." in key or key in known:
        return key
    ends = [full for full in known if full.endswith(f".{key}") and not full.endswith(".name")]
    if len(ends) > 1:
        raise SemttaError(f"The setting '{key}' could be {' or '.join(ends)}: give one of them.")
    return ends[0] if ends else key


def _refuse_unknown(values: Mapping[str, Any], known: list[str], names: Mapping[str, Any]) -> None:
    for key in values:
        if key in known or any(key.startswith(f"{other}.") for other in known if "." in other):
            continue
        role, _, rest = key.partition(".")
        if role in LISTED_ROLES and rest:  # of a part that this run does not have, but could
            name, _, field = rest.partition(".")
            if field in REGISTRIES[role].entry(name).settings.model_fields:
                continue
        of = f" of the {role} '{names[role]}'" if role in SINGLE_ROLES and rest else ""
        raise unknown_setting(key, known, of)


def _validated(place: str, model: type[Any], values: Mapping[str, Any], **fixed: Any) -> Any:
    """The model with those of ``values`` that lie under ``place``; SemttaError that names the first wrong one."""
    prefix = f"{place}." if place else ""
    own = {key[len(prefix) :]: value for key, value in values.items() if key.startswith(prefix)}
    own.pop("name", None)
    try:
        return model(**nested(own), **fixed)
    except ValidationError as error:
        first = error.errors()[0]
        key = prefix + ".".join(str(part) for part in first["loc"])
        raise SemttaError(f"Setting {key}={shown(first['input'])}: {first['msg'].removeprefix('Value error, ')}.") from error


def _keys(config: AdaptConfig) -> list[str]:
    """Every dotted key of a config, leaves only."""
    keys: list[str] = []
    for key, value in config.dump().items():
        if key in LISTED_ROLES:
            keys.append(key)
            keys += [f"{key}.{part['name']}.{inner}" for part in value for inner in part if inner != "name"]
        elif isinstance(value, dict):
            keys += [f"{key}.{inner}" for inner in value]
        else:
            keys.append(key)
    return keys
