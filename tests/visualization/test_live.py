"""The viewer that is served: it starts on a free port, shows what is asked for, and ends."""

import builtins
import socket

import numpy as np
import pytest
from two_people import in_world, two_people

from semtta.errors import SemttaError
from semtta.visualization import live, serve
from semtta.visualization.clip import clip_of
from semtta.visualization.stage import stage_of


@pytest.fixture(scope="module")
def people(make_result, open_body):
    return in_world(two_people(make_result), open_body)


def test_a_server_shows_the_people_and_stops(people, make_video, open_body):
    pytest.importorskip("viser")
    viewer = serve(people, open_body, make_video(people[0]), port=0)
    try:
        with socket.create_connection((live.HOST, viewer.port), timeout=10):
            pass  # somebody listens
        first, second = viewer._bodies
        np.testing.assert_allclose(first.meshes["after"].skin_weights.sum(1), 1, atol=1e-5)
        viewer.show(2)
        assert first.meshes["after"].visible
        assert not second.meshes["after"].visible  # not yet there
        viewer.show(6)
        assert second.meshes["after"].visible
        np.testing.assert_allclose(second.meshes["after"].bones[7].position, people[1].world.joints[2, 7], atol=1e-4)
        assert [ball.visible for ball in first.feet] == [True, True, False, False]
        viewer.play(0.2)
        assert viewer.time.value > 0
    finally:
        viewer.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((live.HOST, viewer.port), timeout=1).close()


def test_bones_of_the_stage_are_the_joints_of_the_world(people, open_body):
    for actor, person in zip(stage_of(clip_of(people), open_body).actors, people, strict=True):
        _, places = live._bones(actor, "after")
        np.testing.assert_allclose(places, person.world.joints, atol=1e-4)


def test_a_guess_is_orange():
    guess, seen = live.confidence_colors(np.array([0.0, 1.0]))
    assert guess[0] > guess[2]
    assert seen[2] > seen[0]


def test_without_the_extra_there_is_one_line(people, open_body, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name == "viser":
            raise ImportError("No module named 'viser'", name="viser")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SemttaError, match=r"pip install 'semtta\[viser\]'"):
        serve(people, open_body)


def test_a_port_that_is_taken_is_named(people, open_body):
    pytest.importorskip("viser")
    with socket.socket() as taken:
        taken.bind((live.HOST, 0))
        taken.listen()
        with pytest.raises(SemttaError, match=f"Port {taken.getsockname()[1]} cannot be used"):
            serve(people, open_body, port=taken.getsockname()[1])


def test_the_command_serves_until_it_is_stopped(people, monkeypatch, tmp_path, capsys):
    pytest.importorskip("viser")
    from semtta_cli.view import view

    def interrupted(viewer):
        socket.create_connection((live.HOST, viewer.port), timeout=10).close()
        raise KeyboardInterrupt

    monkeypatch.setattr(live.LiveViewer, "play", interrupted)
    view(people[0].save(tmp_path), show=False, live=True, port=0)
    assert "Serving http://127.0.0.1:" in capsys.readouterr().out
    assert not list(tmp_path.rglob("viewer.html"))
