"""The functions of the sample workflow ``document-extraction``."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fgnb.local.context import Context

TIMEOUT = 60.0

_FIELDS = {
    "number": re.compile(r"(?:invoice|no\.?|number)\s*[:#]?\s*([A-Z]{0,4}-?\d[\w-]{2,20})", re.I),
    "date": re.compile(r"\b(\d{4}-\d{2}-\d{2})\b"),
    "total": re.compile(r"total\s*:?\s*(?:[A-Z]{3}\s*)?(\d{1,12}(?:\.\d{2})?)", re.I),
    "currency": re.compile(r"\b(CNY|EUR|USD)\b"),
}
_PARTY = re.compile(r"(seller|buyer)\s*:\s*(\S.{0,80})", re.I)


class NoTextLayer(ValueError):
    """The document is a scan: there is nothing to read."""


async def document_layout(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Split the text into lines; a page takes a tenth of a second, as a real reader would."""
    await asyncio.sleep(0.1 * event["pages"])
    lines = [line.strip() for line in event.get("text", "").splitlines() if line.strip()]
    if not lines:
        raise NoTextLayer("the document holds no text: run OCR first")
    return {"lines": lines}


def document_fields(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Find number, date, total and currency."""
    found = {}
    for name, pattern in _FIELDS.items():
        hits = [match[1] for line in event["lines"] if (match := pattern.search(line))]
        if hits:
            found[name] = {"value": hits[0], "confidence": round(1 / len(set(hits)), 2)}
    return found


def document_parties(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Find seller and buyer."""
    found = {}
    for line in event["lines"]:
        if match := _PARTY.match(line):
            found[match[1].lower()] = {"value": match[2].strip(), "confidence": 0.9}
    return found


def document_assemble(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Put the fields together; what was found with too little confidence is listed as doubtful."""
    found = {name: field for part in event["parts"] for name, field in part.items()}
    sure = {name: field["value"] for name, field in found.items() if field["confidence"] >= event["min_confidence"]}
    if "total" in sure:
        sure["total"] = float(sure["total"])
    return {"fields": sure, "doubtful": sorted(found.keys() - sure.keys())}


FUNCTIONS = (document_layout, document_fields, document_parties, document_assemble)
