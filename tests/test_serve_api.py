"""The API keeps to its own document under generated requests; its clients of a few lines, in Python and curl, work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

schemathesis = pytest.importorskip("schemathesis")

from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

from gatecast.web.api import router  # noqa: E402
from gatecast.web.leases import beat, claim  # noqa: E402
from gatecast.web.settings import ServeSettings  # noqa: E402
from gatecast.web.store import Store  # noqa: E402
from gatecast.web.worker import do  # noqa: E402
from served import Launched, launched, served  # noqa: E402

DOCUMENT = Path(__file__).parents[1] / "docs" / "serving.md"
ID = re.compile(r"[0-9a-f]{16}")


@contextmanager
def beating(store: Store, server: str) -> Iterator[None]:
    """The signs of life of a server, without which its jobs are given to another where a job takes long."""
    ended = threading.Event()

    def beats() -> None:
        while not ended.wait(1.0):
            beat(store, server)

    thread = threading.Thread(target=beats)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@dataclass(frozen=True)
class Site:
    """A server without workers, with a source and a job that is done."""

    server: Launched
    source: str
    job: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("api")
    with launched(folder, workers=0, queue_limit=8) as server:
        source = call(server, "/api/v1/sources", form=b"sample=eurusd")["id"]
        asked = {"source": source, "horizon": 3, "paths": 50, "preset": "base", "verdict": False}
        job = call(server, "/api/v1/jobs", asked)["id"]
        store = Store(ServeSettings(database=str(folder / "ledger.db"), data=folder / "data"))
        claimed = claim(store, server="test", owner="test")
        assert claimed is not None
        with beating(store, "test"):
            do(store, claimed, "test")
        assert store.job(job).state == "done", store.job(job).error
        store.close()
        yield Site(server, source, job)


def call(server: Launched, path: str, value: object = None, form: bytes | None = None) -> Any:
    sent = form if value is None else json.dumps(value).encode()
    kind = "json" if value is not None else "x-www-form-urlencoded"
    request = urllib.request.Request(server.address + path, sent, {"content-type": f"application/{kind}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"status": error.code, "headers": dict(error.headers), **json.load(error)}


@pytest.fixture(scope="module")
def document(site: Site) -> Any:
    """The schema; ids of the right shape become those of things that are there, so that answers are looked at, too."""
    schema = schemathesis.openapi.from_url(f"{site.server.address}/api/v1/openapi.json")
    known = {"job_id": site.job, "source_id": site.source, "source": site.source}

    def real(values: Any) -> Any:
        if isinstance(values, dict):
            for name, own in known.items():
                if isinstance(values.get(name), str) and ID.fullmatch(values[name]):
                    values[name] = own
        return values

    # A request of the right shape whose settings or prices cannot be meant is answered by a line, with 400.
    schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "400", "404", "429"]

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        return real(path_parameters)

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        return real(body)

    return schema


ADDRESSES = sorted((route.path, method) for route in router.routes for method in route.methods)  # type: ignore[attr-defined]


@pytest.mark.slow(reason="each address is asked generated requests over HTTP, right and wrong ones")
@pytest.mark.parametrize(("path", "method"), ADDRESSES, ids=lambda part: part)
def test_the_api_keeps_to_its_document(document: Any, path: str, method: str) -> None:
    operation = document[path][method]
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        try:
            cases = operation.as_strategy(generation_mode=mode)

            @given(case=cases)
            @settings(
                max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
            )
            def check(case: Any) -> None:
                # No schema can say that a part of a form is a file only where it has a file's name.
                skipped = [positive_data_acceptance] if path.endswith("/sources") else []
                case.call_and_validate(timeout=60, excluded_checks=skipped)

            check()
        except Unsatisfiable:
            assert mode == GenerationMode.NEGATIVE  # an address without parameters takes no wrong ones


def test_the_document_declares_every_refusal_as_one_line(site: Site) -> None:
    told = call(site.server, "/api/v1/openapi.json")
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert {"400", "401", "403", "421", "503"} <= set(answers), (path, method)
            for status, answer in answers.items():
                if int(status) >= 400:
                    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer")


REFUSED = (
    ("/api/v1/nothing", None, 404),
    ("/api/v1/jobs/0123456789abcdef", None, 404),
    ("/api/v1/jobs/0123456789abcdef/result", None, 404),
    ("/api/v1/jobs/xyz", None, 422),
    ("/api/v1/jobs?limit=0", None, 422),
    ("/api/v1/ledger?model=none", None, 404),
    ("/api/v1/jobs", {"source": "0123456789abcdef"}, 404),
    ("/api/v1/jobs", {"source": "SOURCE", "horizon": 0}, 422),
    ("/api/v1/jobs", {"source": "SOURCE", "unknown": 1}, 422),
    ("/api/v1/jobs", {"source": "SOURCE", "settings": ["epochs=-1"]}, 400),
    ("/api/v1/jobs", {"source": "SOURCE", "paths": 100000, "horizon": 2000}, 400),
    ("/api/v1/jobs", {"source": "SOURCE", "reading": {"close": "nothing"}}, 400),
    ("/api/v1/jobs/JOB/risk", {"touch": [-1]}, 422),
    ("/api/v1/jobs/JOB/risk", {"given": "SPY up"}, 400),
)


@pytest.mark.parametrize(("path", "value", "status"), REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_is_one_line_that_says_what_to_do(site: Site, path: str, value: Any, status: int) -> None:
    value = json.loads(json.dumps(value).replace("SOURCE", site.source))
    answer = call(site.server, path.replace("JOB", site.job), value)
    assert answer["status"] == status
    line = answer["error"]
    assert "\n" not in line and line.endswith(".") and "Traceback" not in line and 20 < len(line) < 600


def test_a_full_queue_says_when_to_come_back(site: Site) -> None:
    for _ in range(20):
        answer = call(site.server, "/api/v1/jobs", {"source": site.source, "horizon": 2})
        if "status" in answer:
            break
    assert answer["status"] == 429
    assert int(answer["headers"]["retry-after"]) >= 1
    waiting = [job["id"] for job in call(site.server, "/api/v1/jobs")["jobs"] if job["state"] == "queued"]
    assert len(waiting) == 8
    for own in waiting:
        assert call(site.server, f"/api/v1/jobs/{own}/stop", {})["state"] == "stopped"
    assert call(site.server, "/api/v1/jobs", {"source": site.source, "horizon": 2})["state"] == "queued"


def test_more_questions_are_answered_from_the_paths_of_a_job(site: Site) -> None:
    result = call(site.server, f"/api/v1/jobs/{site.job}/result")
    last = result["items"][0]["forecast"][0]["median"]
    asked = {"touch": [1.001 * last, 1.5 * last], "stop": 0.99 * last, "target": 1.01 * last}
    answer = call(site.server, f"/api/v1/jobs/{site.job}/risk", asked)
    assert answer == call(site.server, f"/api/v1/jobs/{site.job}/risk", asked)
    near, far = answer["items"][0]["touch"][:2]
    assert 1 >= near["touch"]["value"] > far["touch"]["value"] >= 0


def blocks(language: str) -> list[str]:
    """The clients of the document."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S)


@pytest.mark.slow(reason="a worker loads torch and forecasts for each client of the document")
def test_the_clients_of_the_document_work(tmp_path: Path) -> None:
    (python,), (curl,) = blocks("python"), blocks("bash # client")
    assert len(re.findall(r"^.", python, re.M)) <= 7 and len(re.findall(r"^.", curl, re.M)) <= 5
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    with served(tmp_path, workers=1) as address:
        for command, client in (([sys.executable, "-c"], python), (["bash", "-euc"], curl)):
            code = [*command, client.replace("http://127.0.0.1:8000", address)]
            done = subprocess.run(code, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert re.search(r"\d\.\d+", done.stdout), done.stdout
