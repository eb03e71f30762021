import pytest
import torch

from semtta.geometry import axis_angle_to_matrix
from semtta.motions.windows import LEGS, Batch
from semtta.training.prior_repair import Case, Repair, hidden_error_mm, hide, make_case, repair, wrong_labels


def test_repair_moves_only_hidden_joints_and_follows_the_loss():
    class Straight:
        name = "straight"

        def loss(self, motion, labels):
            return (motion.rotations[:, :, 4] - torch.eye(3)).square().sum((1, 2, 3))

    vectors = torch.zeros(1, 60, 24, 3)
    hidden, visible = torch.zeros(1, 24), torch.ones(1, 60, 24)
    hidden[0, list(LEGS)] = 1
    visible[:, :, [4, 5, 7, 8, 10, 11]] = 0
    case = Case("toy", axis_angle_to_matrix(vectors), ["walking"], hidden, visible)
    vectors[:, :, 4, 0] = 0.6
    start = axis_angle_to_matrix(vectors)
    done = repair(Straight(), case, start, ["walking"], Repair(steps=30))
    assert hidden_error_mm(case, done) < 0.3 * hidden_error_mm(case, start)
    assert torch.equal(done[:, :, 16], start[:, :, 16])
    bent = torch.zeros(24, 6)
    bent[:, 0], bent[:, 5] = 1, 1
    assert hidden_error_mm(case, hide(case, bent)) > 100


def test_the_limb_that_the_label_names_is_hidden():
    labels = ["walking", "waving the left hand"]
    batch = Batch(torch.eye(3).repeat(2, 60, 24, 1, 1), torch.ones(2, 60, dtype=torch.bool), torch.tensor([0, 1]))
    case = make_case("toy", batch, labels, legs=False, count=2)
    rows = {label: case.hidden[i].nonzero()[:, 0].tolist() for i, label in enumerate(case.labels)}
    assert rows == {"walking": sorted(LEGS), "waving the left hand": [16, 18, 20, 22]}
    wrong = dict(zip(case.labels, wrong_labels(case, labels), strict=True))
    assert wrong == {"walking": "waving the left hand", "waving the left hand": "walking"}


def test_hidden_error_by_hand():
    # The left knee is bent by 90 degrees in one of them: the ankle moves by sqrt(2) shanks, the foot too.
    hidden, visible = torch.zeros(1, 24), torch.ones(1, 60, 24)
    hidden[0, 4] = 1
    visible[:, :, [7]] = 0
    vectors = torch.zeros(1, 60, 24, 3)
    case = Case("toy", axis_angle_to_matrix(vectors), ["walking"], hidden, visible)
    vectors[:, :, 4, 0] = torch.pi / 2
    from semtta.geometry.kinematics import pelvis_frame_positions

    place = pelvis_frame_positions(torch.eye(3).repeat(24, 1, 1))
    shank = (place[7] - place[4])[1:].norm()  # the part across the knee's axis
    assert hidden_error_mm(case, axis_angle_to_matrix(vectors)).item() == pytest.approx(2**0.5 * float(shank) * 1000, rel=1e-4)
