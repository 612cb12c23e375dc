"""docs/files.md is what the script prints, and names what the readers know."""

from __future__ import annotations

import runpy
from pathlib import Path

from gatecast.readers.choices import COLUMNS
from gatecast.readers.languages import NAMES

ROOT = Path(__file__).parents[1]


def test_the_page_is_what_the_script_prints() -> None:
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "scripts" / "files_page.py"))["files_page"]() == page
    assert all(
        f"`--{name}`" in page for name in (*COLUMNS, "sheet", "no-header", "day-first", "month-first", "decimal")
    )
    assert all(name in page for kinds in NAMES.values() for names in kinds.values() for name in names)
