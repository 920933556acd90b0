"""Writes the catalogues of the server's pages anew from templates and code, and compiles them; `--check` only compares.

Translates nothing: a text without translation is left empty in the catalogue, and a test says so.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "packages/watchword-server/src/watchword_server"
LOCALE = PACKAGE / "pages/locale"
METHODS = [("pages/**.html", "jinja2"), ("pages/**.py", "python"), ("endpoints/**.py", "python")]
OPTIONS = {"pages/**.html": {"trimmed": "true", "silent": "false"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "words": None, "N_": None}


def texts() -> Catalog:
    """All texts that pages show, without places: those would change with every line."""
    catalog = Catalog(charset="utf-8")
    found = extract_from_dir(
        str(PACKAGE),
        method_map=METHODS,
        options_map=OPTIONS,
        keywords=KEYWORDS,
        comment_tags=(),
        strip_comment_tags=True,
    )
    for _path, _line, message, _comments, _context in found:
        catalog.add(message)
    return catalog


def main() -> int:
    """Write, or compare."""
    template, stale = texts(), []
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/pages.po")):
        catalog = read_po(io.BytesIO(path.read_bytes()), locale=path.parent.parent.name)
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        for wanted, body in ((path, po(catalog)), (path.with_suffix(".mo"), mo(catalog))):
            if wanted.exists() and wanted.read_bytes() == body:
                continue
            stale.append(wanted)
            if "--check" not in sys.argv[1:]:
                wanted.write_bytes(body)
                print(f"wrote {wanted.relative_to(ROOT)}")
    for path in stale if "--check" in sys.argv[1:] else []:
        print(f"{path.relative_to(ROOT)} is out of date; mend: .venv/bin/python .ci/catalogues.py", file=sys.stderr)
    return 1 if stale and "--check" in sys.argv[1:] else 0


def po(catalog: Catalog) -> bytes:
    """As text, sorted, without the date that would make every run differ."""
    out = io.BytesIO()
    write_po(out, catalog, width=120, sort_output=True, no_location=True, omit_header=True)
    head = f'msgid ""\nmsgstr ""\n"Language: {catalog.locale}\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    return head.encode() + out.getvalue()


def mo(catalog: Catalog) -> bytes:
    """Compiled, as the server reads it."""
    clean = read_po(io.BytesIO(po(catalog)))
    clean.creation_date = clean.revision_date = datetime(2000, 1, 1, tzinfo=UTC)  # the same bytes at every run
    out = io.BytesIO()
    write_mo(out, clean)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
