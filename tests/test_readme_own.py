"""The README's own example of models and forecasts that a user brings, run as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow(reason="three commands, two of which start a process for each of eight origins")
def test_the_example_of_the_readme_judges_a_file_a_package_and_forecasts(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("### Bring your own")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.S)
    (project,) = re.findall(r"```toml\n(.*?)```", section, re.S)
    (tmp_path / "my_model.py").write_text(code)
    install(tmp_path, tomllib.loads(project)["project"]["entry-points"]["gatecast.models"])
    commands = re.findall(r"^    gatecast (.*)$", section, re.M)
    assert [name for command in commands for name in ("--judge", "my_model.py:recent", " recent,") if name in command]
    said = [run(command, tmp_path) for command in commands]
    assert [text.split()[0] for text in said] == ["my_model.py:recent", "theirs:my_model.py:recent", "recent"]
    assert all("was tested on 8 past dates" in " ".join(text.split()) for text in said)


def install(folder: Path, models: dict[str, str]) -> None:
    """The metadata of a package that is installed in this folder."""
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in models.items()]
    (info / "entry_points.txt").write_text("\n".join(["[gatecast.models]", *lines, ""]))


def run(command: str, folder: Path) -> str:
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH"), str(folder)]))
    result = subprocess.run(
        [sys.executable, "-m", "gatecast", *shlex.split(command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
