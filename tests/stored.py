"""Results that are stored with the notebooks, so that who reads them where nothing runs sees what comes out.

Each run has ids, times and durations of its own. Two results that differ in nothing else are the same: a test
compares what is stored with what comes out by their words, and storing them anew leaves such a one as it is.
"""

from __future__ import annotations

import io
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat

KEPT = (
    "text/plain",
    "text/html",
    "image/png",
    "image/svg+xml",
)  # no view of a widget: without a kernel it has no model
COLOURS = 128  # of a plot: a quarter of its size
# Cells that show what was measured, or caught at a moment: of these no number counts, nor in which order words come.
MEASURED = {
    "dask": {"summary", "lost"},
    "explore": {"sweep", "wait"},
    "failing-nodes": {"summary", "which", "mend"},
    "history": {"morning", "unknown", "resume", "once"},
    "own-workflow": {"trace"},
    "quickstart": {"frame", "summary"},
    "regression": {"summary"},
    "scripts-and-ci": {"run", "compare"},
    "sweeps": {"summary", "elapsed"},
}

_PICTURE = re.compile(r"data:image/(?:svg\+xml|png);base64,([\w+/=]+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(r"\d[\d.,]*(?:e[+-]?\d+)?")
_DURATION = re.compile(r"\b\d[\d.,]*(?:e-\d+)? ?(?:µs|ms|s|min|h)\b")
_OWN = [  # of each run
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b[0-9a-f]{12}-[0-9a-f]{12}\b", "RUN"),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
        (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?", "TIME"),
        (r"\b\d\d:\d\d:\d\d(?: to \d\d:\d\d:\d\d)?", "TIME"),
        (r"127\.0\.0\.1(?::|&#x27;, |', )\d+|Errno \d+", "PORT"),
        (r"\bwidth:\d+px", "WIDTH"),  # of a picture of durations
        (rf"{_DURATION.pattern}(?: {_DURATION.pattern})?", "DURATION"),
        (r"×\d[\d.,]*", "RATIO"),
    )
]


class _Seen(HTMLParser):
    """The words that a reader of HTML or SVG sees, those in its pictures, and what these say who can't be seen."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._is_hidden = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_hidden = tag == "style"
        if tag == "img":
            given = dict(attrs)
            picture = _PICTURE.match(given.get("src") or "")
            self.words += [given.get("alt") or "", _Seen(_drawn(picture)).text if picture else ""]

    def handle_endtag(self, tag: str) -> None:
        self._is_hidden = False

    def handle_data(self, data: str) -> None:
        self.words += [] if self._is_hidden else [data]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def _drawn(picture: re.Match[str]) -> str:
    return b64decode(picture[1]).decode() if "svg" in picture[0] else ""


def _placed(picture: re.Match[str]) -> str:
    """Return the source of a picture; where it tells a duration, boxes are as wide as that is long."""
    drawn = _drawn(picture)
    return _NUMBER.sub("0", drawn) if _DURATION.search(drawn) else drawn


def kept(outputs: Iterable[Any]) -> list[Any]:
    """Return outputs as they are stored: without what needs a kernel, without what is empty."""
    stored = []
    for output in map(nbformat.from_dict, outputs):
        if "data" in output:
            output.data = {mime: data for mime, data in output.data.items() if mime in KEPT and data}
            output.metadata = {}
            if "image/png" in output.data:
                output.data["image/png"] = _in_few_colours(output.data["image/png"])
        if output.get("data", True):
            stored.append(output)
    return stored


def _in_few_colours(picture: str) -> str:
    from PIL import Image

    image = Image.open(io.BytesIO(b64decode(picture)))
    if image.mode == "P":
        return picture
    buffer = io.BytesIO()
    image.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return b64encode(buffer.getvalue()).decode()


def told(outputs: Iterable[Any], *, measured: bool, whole: bool = False) -> str:
    """Return what a cell's stored outputs say, without what is different in each run: a word on each line.

    Args:
        outputs: as `kept` returns them.
        measured: whether numbers and the order of words say nothing.
        whole: HTML as it is written, and pictures, instead of what is read.
    """

    def words(mime: str, texts: Mapping[str, str]) -> list[str]:
        text = texts[mime]
        if mime == "image/png":
            return [text] if whole and not measured else []
        if mime == "text/plain" and "text/html" in texts and not whole:
            return []  # what HTML says, wrapped and cut as the lengths of numbers have it
        if mime in ("text/html", "image/svg+xml"):
            text = _PICTURE.sub(_placed, text) if whole else _Seen(text).text
        text = _ESCAPES.sub("", text)
        for own, word in _OWN:
            text = own.sub(word, text)
        return sorted(set(_NUMBER.sub("0", text).split())) if measured else text.split()

    lines = []
    for output in outputs:
        if output.output_type == "error":
            texts = {"error": "\n".join([output.ename, output.evalue, *output.traceback])}
        else:
            texts = output.get("data") or {output.name: output.text}
        lines.append(f"--- {output.output_type}")
        for mime in sorted(texts):
            lines += [f"--- as {mime}", *words(mime, texts)]
    return "\n".join(lines)


def store(path: Path, results: dict[str, tuple[list[Any], int]]) -> None:
    """Write results into a notebook; what says the same as before stays as it was.

    Args:
        path: the notebook.
        results: each code cell's outputs, as `kept` returns them, and its execution count, by the cell's id.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        outputs, cell.execution_count = results[cell.id]
        measured = is_measured(path.stem, cell.id)
        if told(cell.outputs, measured=measured, whole=True) != told(outputs, measured=measured, whole=True):
            cell.outputs = outputs
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
    nbformat.write(notebook, path)


def is_measured(notebook: str, cell: str) -> bool:
    """Whether a cell shows what was measured."""
    return cell in MEASURED.get(notebook, ())
