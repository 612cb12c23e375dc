"""The pages of the service: HTML over the same `Service` as the API."""

from __future__ import annotations

from fastapi import APIRouter

from gatecast.web.pages import assets, compare, jobs, record, results, start
from gatecast.web.pages.frame import login_page as login_page

router = APIRouter(include_in_schema=False)
for part in (assets, start, jobs, results, compare, record):
    router.include_router(part.router)
