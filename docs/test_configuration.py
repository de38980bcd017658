"""The page of the configuration is what the code says."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent


def test_the_page_is_what_the_code_says() -> None:
    """`docs/configuration.md` is what `docs/configuration_reference.py` writes."""
    written = runpy.run_path(str(DOCS / "configuration_reference.py"))["page"]()
    committed = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert committed == written, "run: python docs/configuration_reference.py"
