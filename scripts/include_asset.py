"""Put a file among the included assets and write its row of the manifest.

    python scripts/include_asset.py runs/prior.safetensors prior_open.safetensors --licence "CC-BY-NC-4.0" \
        --source "Bandai-Namco motions, CMU mocap" --made "semtta train prior ..." --note "..."
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from semtta import assets
from semtta.io.files import sha256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("name")
    for option in ("--source", "--licence", "--made", "--note"):
        parser.add_argument(option, default="")
    given = parser.parse_args()
    folder = Path(assets.__file__).parent
    target = folder / given.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if given.file.resolve() != target.resolve():
        shutil.copyfile(given.file, target)
    manifest = folder / "manifest.json"
    rows = [row for row in json.loads(manifest.read_text()) if row["name"] != given.name]
    rows.append({
        "name": given.name, "file": given.name, "kind": "included", "source": given.source, "licence": given.licence,
        "sha256": sha256(target), "made": given.made, "note": given.note,
    })  # fmt: skip
    rows.sort(key=lambda row: (row["kind"] != "included", row["name"]))
    manifest.write_text(json.dumps(rows, indent=2) + "\n")
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
