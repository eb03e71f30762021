"""Linear blend skinning in SMPL's format, and keypoints computed without posing the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..constants import JOINT_SETS, SMPL24, SMPL_PARENTS
from ..constants import joint_set as names_of
from ..errors import SemttaError

Array: TypeAlias = Tensor | np.ndarray

NUM_JOINTS = len(SMPL24)
NUM_BETAS = 10


@dataclass(frozen=True)
class FoldedRegressor:
    """J keypoints as P points that each move with one bone: a regressor folded into the skinning of the mesh.

    A keypoint is a fixed combination r of posed vertices, x_j = sum_v r_jv sum_k w_vk (G_k y_v + a_k), where y_v is
    the shaped vertex and (G_k, a_k) moves it with bone k. Both sums over v can be done once, since y_v is affine in
    the betas and in the pose feature: x_j = sum_k G_k y_jk + w_jk a_k. Only pairs (j, k) that occur are kept.
    """

    template: Tensor  # [P,3]
    shape: Tensor  # [10,P*3]
    pose: Tensor | None  # [207,P*3]
    weight: Tensor  # [P,1]
    bone: Tensor  # [P]
    gather: Tensor  # [J,P], ones where point p belongs to keypoint j

    def to(self, device: torch.device, dtype: torch.dtype) -> FoldedRegressor:
        def move(value: Any) -> Any:
            if value is None:
                return None
            # The dtype first: some devices lack float64.
            return (value.to(dtype) if value.is_floating_point() else value).to(device)

        return FoldedRegressor(**{field.name: move(getattr(self, field.name)) for field in fields(self)})


class Body(nn.Module):
    """A body in SMPL's format (Loper et al., SMPL, SIGGRAPH Asia 2015): 24 joints, 10 betas, linear blend skinning.

    Everywhere: rotations [...,24,3,3] are matrices relative to the parent joint, index 0 is the global rotation, about the
    pelvis; betas [...,10] are in standard deviations; the two broadcast. Results are in metres, in the target frame of the
    global rotation (rest pose: y up, facing +z, left on +x), plus ``translation`` [...,3] if given.

    Args (array-likes, metres):
        name: recorded in results.
        v_template [V,3], shapedirs [V,3,10], faces [F,3], lbs_weights [V,24], J_regressor [24,V] (on the rest pose).
        posedirs: [V,3,207], pose blend shapes on R - I of joints 1 to 23, row-major; None: no pose blend shapes.
        regressors: joint set -> [J,V] weights on the posed vertices, for ``keypoints``.
    """

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor | None
    lbs_weights: Tensor
    J_regressor: Tensor
    faces: Tensor
    joint_template: Tensor
    joint_shapedirs: Tensor
    _parent: Tensor
    _parent_in_level: Tensor

    def __init__(
        self,
        name: str,
        v_template: Array,
        shapedirs: Array,
        faces: Array,
        lbs_weights: Array,
        J_regressor: Array,
        posedirs: Array | None = None,
        regressors: Mapping[str, Array] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.name = name
        self.parents = SMPL_PARENTS
        arrays = {
            "v_template": v_template,
            "shapedirs": shapedirs,
            "lbs_weights": lbs_weights,
            "J_regressor": J_regressor,
        }
        if posedirs is not None:
            arrays["posedirs"] = posedirs
        wide = {key: torch.as_tensor(array, dtype=torch.float64) for key, array in arrays.items()}
        self._check(wide)
        wide["joint_template"] = wide["J_regressor"] @ wide["v_template"]
        wide["joint_shapedirs"] = torch.einsum("jv,vdb->bjd", wide["J_regressor"], wide["shapedirs"]).flatten(1)
        for key, array in wide.items():  # not persistent: a licensed body must not leak into checkpoints
            self.register_buffer(key, array.to(dtype), persistent=False)
        if posedirs is None:
            self.register_buffer("posedirs", None)
        self.register_buffer("faces", torch.as_tensor(faces).long(), persistent=False)
        if self.faces.shape[1:] != (3,) or not ((self.faces >= 0) & (self.faces < len(self.v_template))).all():
            raise SemttaError(f"Body '{name}': faces are [F, 3], indices of its {len(self.v_template)} vertices.")

        # SMPL's joints are sorted by depth, so a level of the tree is a slice and its parents lie in the one before.
        depth = [0]
        for parent in self.parents[1:]:
            depth.append(depth[parent] + 1)
        starts = [depth.index(d) for d in range(max(depth) + 1)]
        self._levels = list(zip(starts, [*starts[1:], NUM_JOINTS], strict=True))
        within = [0] + [p - starts[depth[p]] for p in self.parents[1:]]
        self.register_buffer("_parent_in_level", torch.tensor(within), persistent=False)
        self.register_buffer("_parent", torch.tensor([0, *self.parents[1:]]), persistent=False)
        self._regressors = {key: self._checked(key, r) for key, r in (regressors or {}).items()}
        self._folded: dict[tuple[str, torch.device, torch.dtype], FoldedRegressor] = {}

    @property
    def gender(self) -> str:
        """ "male" or "female" for a body that is called so ("smpl-male"), else "neutral"."""
        ending = self.name.rpartition("-")[2]
        return ending if ending in ("male", "female") else "neutral"

    @property
    def num_vertices(self) -> int:
        return len(self.v_template)

    def joints(self, rotations: Tensor, betas: Tensor, translation: Tensor | None = None) -> Tensor:
        """Kinematic joints [...,24,3], by forward kinematics only."""
        return _translated(self._kinematics(rotations, betas)[1], translation)

    def vertices(self, rotations: Tensor, betas: Tensor, translation: Tensor | None = None) -> Tensor:
        """Posed vertices [...,V,3]. Needs about 24 V floats of memory per pose: call it on chunks of long videos."""
        world, _, offsets = self._kinematics(rotations, betas)
        points = self.v_template + (betas @ self.shapedirs.flatten(0, 1).mT).unflatten(-1, (-1, 3))
        if self.posedirs is not None:
            points = points + (_pose_feature(rotations) @ self.posedirs.flatten(0, 1).mT).unflatten(-1, (-1, 3))
        bones = torch.cat([world.flatten(-2), offsets], -1)
        blended = self.lbs_weights @ bones  # [...,V,12]
        moved = (blended[..., :9].unflatten(-1, (3, 3)) * points.unsqueeze(-2)).sum(-1) + blended[..., 9:]
        return _translated(moved, translation)

    def keypoints(self, rotations: Tensor, betas: Tensor, joint_set: str, translation: Tensor | None = None) -> Tensor:
        """Keypoints [...,J,3] of a joint set of ``semtta.constants``, in its order.

        Equal to regressing them from ``vertices`` up to rounding, at the cost of a few dozen points instead of the mesh. Raises
        SemttaError for a joint set without a regressor in this body.
        """
        fold = self._fold(joint_set)
        world, _, offsets = self._kinematics(rotations, betas)
        points = fold.template + (betas @ fold.shape).unflatten(-1, (-1, 3))
        if fold.pose is not None:
            points = points + (_pose_feature(rotations) @ fold.pose).unflatten(-1, (-1, 3))
        moved = _apply(world.index_select(-3, fold.bone), points) + fold.weight * offsets.index_select(-2, fold.bone)
        return _translated(fold.gather @ moved, translation)

    def regressor(self, joint_set: str) -> Tensor:
        """Weights [J,24+V] of a joint set over the kinematic joints and the posed vertices; float64, on the CPU."""
        if joint_set in self._regressors:
            return self._regressors[joint_set]
        if joint_set == "smpl24":
            return torch.eye(NUM_JOINTS, NUM_JOINTS + self.num_vertices, dtype=torch.float64)
        names_of(joint_set)  # raises for an unknown joint set
        known = ", ".join(sorted({"smpl24", *self._regressors}))
        raise SemttaError(f"Body '{self.name}' has no regressor for the joint set '{joint_set}' (it has: {known}).")

    def joint_sets(self) -> list[str]:
        """The joint sets that ``keypoints`` supports for this body."""
        known = []
        for name in JOINT_SETS:
            try:
                self.regressor(name)
            except SemttaError:
                continue
            known.append(name)
        return known

    def rest_joints(self, betas: Tensor) -> Tensor:
        """Joints [...,24,3] of the rest pose."""
        return self.joint_template + (betas @ self.joint_shapedirs).unflatten(-1, (NUM_JOINTS, 3))

    def _kinematics(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """World rotations G [...,24,3,3], joints [...,24,3], offsets a [...,24,3]: bone k takes y to G_k y + a_k."""
        if rotations.shape[-3:] != (NUM_JOINTS, 3, 3) or betas.shape[-1:] != (NUM_BETAS,):
            shapes = f"{tuple(rotations.shape)} and {tuple(betas.shape)}"
            raise ValueError(f"rotations must be [...,24,3,3] and betas [...,10], got {shapes}")
        batch = torch.broadcast_shapes(rotations.shape[:-3], betas.shape[:-1])
        rotations = rotations.expand(*batch, NUM_JOINTS, 3, 3)
        rest = self.rest_joints(betas).expand(*batch, NUM_JOINTS, 3)
        bones = rest - rest.index_select(-2, self._parent)
        world, positions = [rotations[..., :1, :, :]], [rest[..., :1, :]]
        for first, last in self._levels[1:]:
            parent = self._parent_in_level[first:last]
            above = world[-1].index_select(-3, parent)
            positions.append(positions[-1].index_select(-2, parent) + _apply(above, bones[..., first:last, :]))
            world.append(above @ rotations[..., first:last, :, :])
        global_rotations, joints = torch.cat(world, -3), torch.cat(positions, -2)
        return global_rotations, joints, joints - _apply(global_rotations, rest)

    def _fold(self, joint_set: str) -> FoldedRegressor:
        """The folded regressor of a joint set, computed once in float64 for each device and dtype."""
        key = (joint_set, self.v_template.device, self.v_template.dtype)
        if key not in self._folded:
            # Outside inference mode: otherwise the cache could not take part in a later backward pass.
            with torch.inference_mode(False), torch.no_grad():
                self._folded[key] = self._compute_fold(self.regressor(joint_set)).to(*key[1:])
        return self._folded[key]

    def _compute_fold(self, regressor: Tensor) -> FoldedRegressor:
        def wide(name: str) -> Tensor:
            return getattr(self, name).detach().cpu().double()

        on_joints, on_vertices = regressor[:, :NUM_JOINTS], regressor[:, NUM_JOINTS:]
        weights = wide("lbs_weights")
        # A kinematic joint moves with its own bone, a vertex with the bones of its skinning weights.
        share = on_joints + on_vertices @ weights
        owner, bone = torch.nonzero((on_joints != 0) | ((on_vertices != 0).double() @ weights != 0), as_tuple=True)
        pair = on_vertices[owner] * weights.T[bone]  # [P,V]
        joint = on_joints[owner, bone, None]  # [P,1]
        template = pair @ wide("v_template") + joint * wide("joint_template")[bone]
        shape = torch.einsum("pv,vdb->bpd", pair, wide("shapedirs"))
        shape = shape + joint * wide("joint_shapedirs").unflatten(-1, (NUM_JOINTS, 3))[:, bone]
        pose = None if self.posedirs is None else torch.einsum("pv,vdf->fpd", pair, wide("posedirs")).flatten(1)
        gather = torch.zeros(len(regressor), len(owner), dtype=torch.float64)
        gather[owner, torch.arange(len(owner))] = 1
        return FoldedRegressor(template, shape.flatten(1), pose, share[owner, bone, None], bone, gather)

    def _checked(self, joint_set: str, regressor: Array) -> Tensor:
        """A user's regressor [J,V] as one over joints and vertices."""
        rows = torch.as_tensor(regressor, dtype=torch.float64)
        expected = (len(names_of(joint_set)), self.num_vertices)
        if rows.shape != expected:
            raise SemttaError(
                f"The regressor for '{joint_set}' is {tuple(rows.shape)}, body '{self.name}' needs {expected}: "
                "it belongs to another mesh or joint set."
            )
        return torch.cat([rows.new_zeros(len(rows), NUM_JOINTS), rows], 1)

    def _check(self, arrays: Mapping[str, Tensor]) -> None:
        vertices = len(arrays["v_template"])
        expected = {
            "v_template": (vertices, 3),
            "shapedirs": (vertices, 3, NUM_BETAS),
            "posedirs": (vertices, 3, 9 * (NUM_JOINTS - 1)),
            "lbs_weights": (vertices, NUM_JOINTS),
            "J_regressor": (NUM_JOINTS, vertices),
        }
        for key, array in arrays.items():
            if tuple(array.shape) != expected[key]:
                raise SemttaError(f"Body '{self.name}': {key} is {tuple(array.shape)}, SMPL's format has {expected[key]}.")
            if not array.isfinite().all():
                raise SemttaError(f"Body '{self.name}': {key} has NaN or infinite values: the file is damaged.")


def _apply(matrix: Tensor, point: Tensor) -> Tensor:
    return (matrix @ point.unsqueeze(-1)).squeeze(-1)


def _pose_feature(rotations: Tensor) -> Tensor:
    """SMPL's pose feature [...,207]: R - I of joints 1 to 23, row-major."""
    return (rotations[..., 1:, :, :] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)).flatten(-3)


def _translated(points: Tensor, translation: Tensor | None) -> Tensor:
    return points if translation is None else points + translation.unsqueeze(-2)
