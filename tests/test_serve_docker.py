"""The container's recipe: each step stands on what is there, pins the CPU build, and ends without rights."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile and what they are given."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [(name.upper(), given.strip()) for name, _, given in found]


def given_to(name: str) -> list[str]:
    return [given for kind, given in steps() if kind == name]


def test_every_step_is_one_that_docker_knows_and_in_an_order_that_works() -> None:
    kinds = [kind for kind, _ in steps()]
    known = {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
    assert kinds[0] == "FROM" and set(kinds) <= known | {"ENTRYPOINT"}
    assert kinds.index("USER") < kinds.index("VOLUME") < kinds.index("ENTRYPOINT") == len(kinds) - 1
    install = next(place for place, (_, given) in enumerate(steps()) if "pip install" in given)
    assert all(place < install for place, kind in enumerate(kinds) if kind == "COPY")


def test_what_is_copied_is_there_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [name for given in given_to("COPY") for name in shlex.split(given)[:-1]]
    assert {"src", "pyproject.toml", "constraints.txt"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert not [pattern for pattern in ignored if fnmatch.fnmatch(name, pattern)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)


def test_what_is_installed_is_pinned_and_torch_is_the_cpu_build() -> None:
    lines = [given for given in given_to("RUN") if "pip install" in given]
    for line in lines:
        words = shlex.split(line)
        assert words[words.index("-c") + 1] == "constraints.txt"
    (target,) = [word for word in words if word.startswith(".[")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in target[2:-1].split(","):
        wanted += project["optional-dependencies"][extra]
    pins = [Requirement(pin) for pin in (ROOT / "constraints.txt").read_text().splitlines() if re.match(r"\w", pin)]
    pinned = {canonicalize_name(pin.name): str(pin.specifier) for pin in pins}
    for requirement in map(Requirement, wanted):
        version = pinned[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(version), requirement
    check = next(shlex.split(given) for given in given_to("RUN") if "torch.version.cuda" in given)
    for cuda, refused in ((None, False), ("12.8", True)):
        told = "import sys, types; torch = types.ModuleType('torch')"
        told += f"; torch.version = types.SimpleNamespace(cuda={cuda!r})"
        code = f"{told}; sys.modules['torch'] = torch; {check[2]}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
        assert bool(done.returncode) == refused and ("TORCH_INDEX" in done.stderr) == refused
    python = re.fullmatch(r"python:(\d+\.\d+)-slim", given_to("FROM")[0])
    assert python is not None and f">={python[1]}" == project["requires-python"]


def test_it_runs_without_rights_and_keeps_its_data_in_the_volume() -> None:
    (user,), (volume,) = given_to("USER"), given_to("VOLUME")
    made = next(given for given in given_to("RUN") if "useradd" in given)
    assert user in shlex.split(made) and user != "root" and "--uid 10001" in made
    assert f"install -d -o {user} -g {user} {volume}" in made
    places = dict(pair.split("=", 1) for given in given_to("ENV") for pair in shlex.split(given))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        assert Path(places[name]).is_relative_to(volume)


def test_the_entry_serves_the_port_and_demands_a_token(tmp_path: Path) -> None:
    command = json.loads(given_to("ENTRYPOINT")[0])
    assert command[:2] == ["gatecast", "serve"]
    (port,) = given_to("EXPOSE")
    assert command[command.index("--port") + 1] == port
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    environment.pop("GATECAST_TOKEN", None)
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 2 and "token" in done.stderr and "Traceback" not in done.stderr


def test_the_health_check_asks_what_the_service_answers() -> None:
    (given,) = given_to("HEALTHCHECK")
    command = json.loads(given[given.index("CMD") + 4 :])
    (port,) = given_to("EXPOSE")
    assert command[0] == "python" and f"http://127.0.0.1:{port}/health" in command[2]
    compile(command[2], "healthcheck", "exec")
    done = subprocess.run([sys.executable, *command[1:]], capture_output=True, timeout=30, check=False)
    assert done.returncode != 0 or _listens(int(port))  # nobody answers: the container is not healthy


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def test_make_serve_installs_the_extra_and_starts_the_service() -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    command = ["make", "--dry-run", "--always-make", "serve", "PYTHON=python3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make")]  # which says where it is
    install = next(place for place, line in enumerate(lines) if "-e '.[serve]'" in line)
    assert "-c constraints.txt" in lines[install]
    assert lines[-1].endswith("gatecast serve") and install < len(lines) - 1
