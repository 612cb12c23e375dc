"""The container's steps and the clients of docs/serving.md are what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from test_serve_kills import ROOT

from serve_kills import Server  # isort: skip

TEXT = (ROOT / "docs" / "serving.md").read_text()


def test_the_container_copies_what_is_there_pins_what_it_installs_and_runs_without_rights() -> None:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    names = [name for name, _ in steps]
    assert names[0] == "FROM" and set(names) <= {
        "FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "CMD",
    }  # fmt: skip
    copied = [path for name, rest in steps if name == "COPY" for path in rest.split()[:-1]]
    assert copied and all((ROOT / path).exists() for path in copied)
    (run,) = [rest for name, rest in steps if name == "RUN"]
    assert "-c constraints.txt" in run and "constraints.txt" in copied and "[serve,postgres]" in run
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.M)
    users = [rest for name, rest in steps if name == "USER"]
    assert users and users[-1] not in ("root", "0")
    assert names.index("USER") < names.index("CMD") and "VOLUME" in names


@pytest.mark.slow(reason="a server and its worker start, and make two forecasts with a verdict")
def test_the_clients_of_the_page_work(tmp_path: Path) -> None:
    settings = {"database": str(tmp_path / "l.db"), "data": str(tmp_path / "d"), "workers": 1, "token": "TOKEN" * 4}
    server = Server(settings)
    try:
        for language, first in (("python", [sys.executable, "-c"]), ("sh", ["sh", "-c"])):
            if language == "sh" and shutil.which("curl") is None:
                continue
            code = re.search(rf"```{language}\n(.*?)```", TEXT, re.S)
            assert code is not None and len(code[1].splitlines()) <= 6
            text = code[1].replace("TOKEN", "TOKEN" * 4).replace(":8000", f":{server.port}")
            done = subprocess.run([*first, text], capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr
            assert "median" in done.stdout
    finally:
        server.process.terminate()
        server.process.wait(30)
