"""Requests made from the OpenAPI document: no answer breaks it, and none is a server error."""

from __future__ import annotations

import tempfile
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gatecast.web.app import create_app
from gatecast.web.settings import ServeSettings

TOKEN = "correct-horse-battery"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
_FOLDER = Path(tempfile.mkdtemp(prefix="gatecast-schema-"))
_APP = create_app(ServeSettings(database=str(_FOLDER / "l.db"), data=_FOLDER / "data", workers=0, token=TOKEN))
SCHEMA = schemathesis.openapi.from_asgi("/api/v1/openapi.json", _APP, headers=HEADERS)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@SCHEMA.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_answer_breaks_the_document(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS, headers=HEADERS)
