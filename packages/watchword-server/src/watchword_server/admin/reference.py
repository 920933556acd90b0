"""The page that shows an OpenAPI document to people: no script, no foreign resource.

Holds no knowledge of any particular call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

_HERE = Path(__file__).parent
_METHODS = ("get", "post", "put", "patch", "delete")
_CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_CODE = re.compile(r"`([^`]+)`")
_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=select_autoescape(), undefined=StrictUndefined
)


def reference_routes(openapi: Callable[[], dict[str, Any]]) -> APIRouter:
    """Routes `/docs` and `/docs.css` for the document that ``openapi`` gives."""
    router = APIRouter()

    @lru_cache(maxsize=1)
    def page() -> str:
        document = openapi()
        return _TEMPLATES.get_template("reference.html").render(
            info=document["info"], groups=_groups(document), schemas=document["components"]["schemas"], shape=shape
        )

    @lru_cache(maxsize=1)
    def style() -> bytes:
        return (_HERE / "static" / "reference.css").read_bytes()

    @router.get("/docs")
    def show() -> Response:
        return HTMLResponse(page(), headers={"Content-Security-Policy": _CSP})

    @router.get("/docs.css")
    def show_style() -> Response:
        return Response(style(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    return router


def prose(text: str) -> Markup:
    """Text with `backticked` names set as code; everything else is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped the line before


_TEMPLATES.filters["prose"] = prose


def _groups(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in _operations(document):
        groups.setdefault(operation["tags"][-1], []).append(operation)
    return groups


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
                answers = [
                    (status, answer["description"], _schema_of(answer))
                    for status, answer in operation["responses"].items()
                    if status.startswith("2")
                ]
                yield {
                    "anchor": f"{method}{path}".replace("/", "-").replace("{", "").replace("}", ""),
                    "method": method.upper(),
                    "path": path,
                    "summary": operation.get("description") or operation.get("summary", ""),
                    "tags": operation.get("tags") or ["other"],
                    "parameters": operation.get("parameters", []),
                    "body": body,
                    "answers": answers,
                }


def _schema_of(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return answer.get("content", {}).get("application/json", {}).get("schema") or None


def shape(schema: Mapping[str, Any] | None) -> str:
    """A schema in a few words: `list of SessionModel`, `text or null`, `whole number`."""
    if not schema:
        return "nothing"
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1].removesuffix("Model")
    if "anyOf" in schema:
        return " or ".join(shape(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {shape(schema.get('items'))}"
    names = {"string": "text", "integer": "whole number", "boolean": "true or false", "number": "number"}
    return names.get(kind, str(kind))
