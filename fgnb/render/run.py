"""The card of a run: status, times and ids, the output, the node errors, the input."""

from __future__ import annotations

from fgnb.render import html
from fgnb.render.text import WIDTH, cut, one_line, visible, wrapped
from fgnb.render.value import value_html, value_lines
from fgnb.runs.run import Run

_MARKS = {"success": "✓", "fail": "✗", "timeout": "✗", "rejected": "✗"}


def show(run: Run) -> dict[str, str]:
    """Return the card as a MIME bundle."""
    return {"text/plain": card_text(run), "text/html": card_html(run)}


def elapsed_text(seconds: float) -> str:
    """Return a duration with the precision that matters: ``0.32 ms``, ``0.004 s``, ``12.3 s``, ``4 min 10 s``."""
    if 0 < seconds < 0.001:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 10:
        return f"{seconds:.3f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def card_text(run: Run, width: int = WIDTH) -> str:
    """Return the card as plain text of at most `width` columns."""
    mark = _MARKS.get(run.status, "?")
    lines = [f"{mark} {run.status}  {run.workflow}  {elapsed_text(run.elapsed)}"]
    if run.reason:
        lines += wrapped(one_line(run.reason), indent="  ", width=width)
    if run.hint:
        # Lines that stand one above the other for comparison are not wrapped.
        several = run.hint.splitlines()
        lines += [f"  {line}" for line in several] if len(several) > 1 else wrapped(run.hint, indent="  ", width=width)
    if _has_output(run):
        lines += ["  output", *value_lines(run.output, indent="    ", width=width)]
    if run.node_errors:
        lines.append("  node errors")
        for error in run.node_errors:
            lines.append(f"    {error.node}" + (f"  {error.error_type}" if error.error_type else ""))
            lines += wrapped(error.error_message, indent="      ", width=width)
    if not run.ok:
        lines += ["  input", *value_lines(run.input, indent="    ", width=width)]
    ids = [f"{name} {value}" for name, value in _ids(run) if value]
    if ids:
        lines.append(f"  {', '.join(ids)}")
    return "\n".join(cut(visible(line), width) for line in lines)


def _has_output(run: Run) -> bool:
    return run.ok and not isinstance(run.raw, bytes)  # what a streaming workflow gave is no JSON


def _ids(run: Run) -> tuple[tuple[str, str | None], ...]:
    return ("execution", run.execution_id), ("request", run.request_id)


def card_html(run: Run) -> str:
    """Return the card as HTML: escaped, styled inline, without a script or an external address."""
    colour = html.status_colour(run.status)
    mark = _MARKS.get(run.status, "?")
    head = (
        f"{html.span(f'{mark} {run.status}', f'color:{colour};font-weight:600')} &nbsp;"
        f"{html.span(run.workflow, 'font-weight:600')} &nbsp;{html.muted(elapsed_text(run.elapsed))}"
    )
    parts = [f"<div>{head}</div>"]
    if run.reason:
        parts.append(f'<div style="overflow-wrap:anywhere">{html.escape(run.reason)}</div>')
    if run.hint:
        # Two requests one above the other and a mark below, if it has lines
        shown = html.preformatted(run.hint) if "\n" in run.hint else f"<div>{html.escape(run.hint)}</div>"
        parts.append(shown)
    if _has_output(run):
        parts.append(html.section("output", value_html(run.output)))
    if run.node_errors:
        parts.append(html.section("node errors", _errors_html(run)))
    parts.append(html.folded("input", value_html(run.input), opened=not run.ok))
    parts.append(_about(run))
    return html.frame_box("".join(parts), colour)


def _errors_html(run: Run) -> str:
    rows = []
    for error in run.node_errors:
        message = f'<span style="overflow-wrap:anywhere">{html.escape(error.error_message)}</span>'
        if error.stack_trace:
            message += html.folded("stack trace", html.preformatted(error.stack_trace))
        rows.append((html.span(error.node, "font-weight:600"), html.escape(error.error_type or ""), message))
    return html.table(rows, head=["node", "type", "message"])


def _about(run: Run) -> str:
    rows = [(name, value) for name, value in _ids(run) if value]
    if run.begin_time and run.end_time:
        rows.append(("service", f"{run.begin_time:%Y-%m-%d %H:%M:%S} to {run.end_time:%H:%M:%S} UTC"))
    rows.append(("submitted", f"{run.submitted_at:%Y-%m-%d %H:%M:%S} UTC, {run.connection}".rstrip(", ")))
    rows += [(f"tag {name}", str(value)) for name, value in run.tags.items()]
    cells = [(html.muted(name), html.span(str(value), f"{html.MONO};font-size:12px")) for name, value in rows]
    return html.folded("about this run", html.table(cells))
