"""A deployment as what was done and each place that changed, with both values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from fgnb import jsontext
from fgnb.counted import counted
from fgnb.deployment import Change, Deployment
from fgnb.render import html
from fgnb.render.text import cut, one_line, room
from fgnb.render.value import compact

if TYPE_CHECKING:
    import pandas as pd

ROWS = 100
CELL = 160  # characters of a value in a cell of HTML
PATH = 80  # characters of a path that stand on one line there
_CODE = f"{html.MONO};font-size:12px;overflow-wrap:anywhere"
_MARKS = {"added": "+", "removed": "-", "changed": "~", "type": "~"}
_DONE = {"create": "created", "update": "updated", "unchanged": "unchanged, nothing was sent"}
_WOULD_BE = {"create": "would be created", "update": "would be updated", "unchanged": "unchanged"}
_BEFORE = "background:rgba(217,63,63,.16)"
_AFTER = "background:rgba(46,158,91,.18)"


def show(deployment: Deployment) -> dict[str, str]:
    """Return the deployment as a MIME bundle."""
    shown = deployment.changes[:ROWS]
    more = len(deployment.changes) - len(shown)
    notes = [f"… {counted(more, 'more change')}"] if more else []
    notes += [f"the order of {path} differs, which means nothing" for path in deployment.reordered]
    width = room()
    lines = [cut(one_line(_title(deployment)), width)]
    lines += [line for change in shown for line in _lines(change, width)]
    lines += [cut(f"  {one_line(note)}", width) for note in notes]
    content = html.heading(_title(deployment))
    if shown:
        styles = {(row, 2): _BEFORE for row, change in enumerate(shown) if change.kind != "added"}
        styles |= {(row, 3): _AFTER for row, change in enumerate(shown) if change.kind != "removed"}
        content += html.table([_cells(change) for change in shown], head=("path", "", "before", "after"), styles=styles)
    content += "".join(f"<div>{html.muted(note)}</div>" for note in notes)
    return {"text/plain": "\n".join(lines), "text/html": html.frame_box(content, html.OTHER_COLOUR)}


def frame(deployment: Deployment) -> pd.DataFrame:
    """Return the changes as a frame; see `fgnb.deployment.Deployment.frame`."""
    import pandas as pd

    changes = deployment.changes
    columns = {
        "kind": pd.array([change.kind for change in changes], dtype="string"),
        "before": pd.Series([pd.NA if change.kind == "added" else change.before for change in changes], dtype="object"),
        "after": pd.Series([pd.NA if change.kind == "removed" else change.after for change in changes], dtype="object"),
    }
    index = pd.Index(pd.array([change.path for change in changes], dtype="string"), name="path")
    return pd.DataFrame(columns).set_index(index)


def _title(deployment: Deployment) -> str:
    count = len(deployment.changes)
    parts = [f"{deployment.name}: {(_WOULD_BE if deployment.dry_run else _DONE)[deployment.action]}"]
    if deployment.dry_run:
        parts[0] += " (dry run)"
    if deployment.action == "update":
        parts.append(counted(count, "change"))
    if deployment.id is not None:
        parts.append(f"id {deployment.id}")
    return ", ".join(parts)


def _lines(change: Change, width: int) -> list[str]:
    """Return a change as one line, or where that is too long, each value on a line of its own."""
    head = cut(f"  {_MARKS[change.kind]} {one_line(change.path)}", width - 1)
    left = width - cell_len(head) - len(": ")
    before, after = _values(change, 10 * width)
    value = " → ".join(text for text in (before, after) if text)
    if cell_len(value) <= left:
        return [f"{head}: {value}"]
    before, after = _values(change, width - 8)
    if before and after:
        return [f"{head}:", f"      - {before}", f"      + {after}"]
    return [f"{head}:", f"      {before or after}"]


def _cells(change: Change) -> tuple[str, ...]:
    values = [html.span(text, _CODE) if text else "" for text in _values(change, CELL)]
    # Only a path that would take the whole width may be broken.
    style = _CODE if len(change.path) > PATH else f"{_CODE};white-space:nowrap"
    return html.span(change.path, style), html.muted(change.kind), *values


def _values(change: Change, width: int) -> tuple[str, str]:
    """Return both values on one line of at most `width` cells each, empty where there is none."""
    skipped = 0
    if isinstance(change.before, str) and isinstance(change.after, str):
        pairs = enumerate(zip(change.before, change.after, strict=False))
        same = next((at for at, (old, new) in pairs if old != new), min(len(change.before), len(change.after)))
        skipped = same - 20 if same > width // 2 else 0  # of two long texts, the place where they part
    before = "" if change.kind == "added" else _value(change.before, width, skipped)
    after = "" if change.kind == "removed" else _value(change.after, width, skipped)
    return before, after


def _value(value: Any, width: int, skipped: int) -> str:
    """Return a value as JSON, a text in quotes: ``"5"`` is not 5."""
    if not isinstance(value, str):
        return compact(value, width)
    part = value[skipped : skipped + 4 * width]
    return cut(one_line(jsontext.dumps(f"…{part}" if skipped else part).decode()), width)
