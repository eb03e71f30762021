"""semtta view."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from .common import say


def view(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote.")],
    show: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Serve it to the browser of this machine until Ctrl+C, through viser (extra 'viser'), instead of writing a page.",
        ),
    ] = False,
    port: Annotated[int, typer.Option(help="Port of --live; 0: any free one.", min=0, max=65535)] = 8080,
) -> None:
    """Write an interactive 3D page of the motion of everybody in a clip, or of one person, and open it."""
    from semtta.results import find_all, load_all
    from semtta.visualization import serve, write_viewer

    places, results = find_all(out), load_all(out)
    if live:
        server = serve(results, port=port)
        address = f"http://127.0.0.1:{server.port}"
        say(f"Serving {address} (Ctrl+C ends it)")
        if show:
            webbrowser.open(address)
        try:
            server.play()
        except KeyboardInterrupt:
            say("Stopped.")
        finally:
            server.stop()
        return
    path = write_viewer(results, (places[0] if len(places) == 1 else places[0].parent) / "viewer.html")
    say(f"Wrote {path}")
    if show:
        webbrowser.open(Path(path).resolve().as_uri())
