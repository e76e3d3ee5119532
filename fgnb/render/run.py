"""The card of a run: status, times and ids, the output, the node errors, the workflow drawn, the input."""

from __future__ import annotations

from fgnb import wiring
from fgnb.render import html
from fgnb.render.text import WIDTH, cut, room, wrapped
from fgnb.render.value import compact, value_html, value_lines
from fgnb.runs.redact import masked_text
from fgnb.runs.run import NodeError, Run
from fgnb.visible import visible

ERRORS = 10  # node errors that are shown
STACK = 6000  # characters of a stack trace, its end
_MARKS = {"success": "✓", "fail": "✗", "timeout": "✗", "rejected": "✗"}


def show(run: Run) -> dict[str, str]:
    """Return the card as a MIME bundle."""
    return {"text/plain": card_text(run, room()), "text/html": card_html(run)}


def elapsed_text(seconds: float) -> str:
    """Return a duration with the precision that matters: ``0.32 ms``, ``0.004 s``, ``12.3 s``, ``4 min 10 s``."""
    if 0 < seconds < 0.001:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 9.9995:
        return f"{seconds:.3f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def card_text(run: Run, width: int = WIDTH) -> str:
    """Return the card as plain text of at most `width` columns."""
    lines = [f"{_mark(run)} {run.status}  {run.workflow}  {elapsed_text(run.elapsed)}"]
    if run.reason:
        lines += wrapped(masked_text(run.reason), indent="  ", width=width)
    if run.hint:
        # Lines that stand one above the other for comparison are not wrapped.
        several = run.hint.splitlines()
        lines += [f"  {line}" for line in several] if len(several) > 1 else wrapped(run.hint, indent="  ", width=width)
    if _has_output(run):
        lines += ["  output", *value_lines(run.output, indent="    ", width=width)]
    if run.node_errors:
        lines.append("  node errors")
        for error in run.node_errors[:ERRORS]:
            lines.append(f"    {error.node}" + (f"  {error.error_type}" if error.error_type else ""))
            lines += wrapped(masked_text(error.error_message), indent="      ", width=width)
        lines += [f"    {more}" for more in _more(run)]
    if not run.ok:
        lines += ["  input", *value_lines(run.input, indent="    ", width=width)]
    ids = [f"{name} {value}" for name, value in _ids(run) if value]
    if ids:
        lines += wrapped(", ".join(ids), indent="  ", width=width)
    return "\n".join(cut(visible(line), width) for line in lines)


def _mark(run: Run) -> str:
    return _MARKS.get(run.status, "?")


def _has_output(run: Run) -> bool:
    return run.ok and not isinstance(run.raw, bytes)  # what a streaming workflow gave is no JSON


def _ids(run: Run) -> tuple[tuple[str, str | None], ...]:
    return ("execution", run.execution_id), ("request", run.request_id)


def _more(run: Run) -> list[str]:
    count = len(run.node_errors) - ERRORS
    return [f"… {count:,} more; see .errors"] if count > 0 else []


def card_html(run: Run) -> str:
    """Return the card as HTML: escaped, styled inline, without a script or an external address."""
    colour = html.status_colour(run.status)
    head = (
        f"{html.pill(f'{_mark(run)} {run.status}', colour)} &nbsp;"
        f"{html.strong(run.workflow)} &nbsp;{html.muted(_times(run))}"
    )
    parts = [f"<div>{head}</div>"]
    if run.reason:
        parts.append(f"<div>{html.words(masked_text(run.reason))}</div>")
    if run.hint:
        # Two requests one above the other and a mark below, if it has lines
        shown = html.preformatted(run.hint) if "\n" in run.hint else f"<div>{html.words(run.hint)}</div>"
        parts.append(shown)
    if _has_output(run):
        parts.append(html.section("output", value_html(run.output)))
    if run.node_errors:
        parts.append(html.section("node errors", _errors_html(run)))
    parts.append(_picture(run))
    parts.append(html.folded(f"input  {compact(run.input, 80)}", value_html(run.input)))
    parts.append(_about(run))
    return html.frame_box("".join(parts), colour)


def _times(run: Run) -> str:
    told = [elapsed_text(run.elapsed)]
    if run.begin_time and run.end_time:
        begin, end = (f"{time:%H:%M:%S}" for time in (run.begin_time, run.end_time))
        told.append(f"service {begin}{f' to {end}' if end != begin else ''} UTC")  # they have no finer precision
    if run.request_id:
        told.append(f"request {run.request_id}")
    return " · ".join(told)


def _errors_html(run: Run) -> str:
    rows = [
        (html.strong(error.node), html.escape(error.error_type or ""), _message(error))
        for error in run.node_errors[:ERRORS]
    ]
    notes = "".join(f"<div>{html.muted(more)}</div>" for more in _more(run))
    return html.table(rows, head=["node", "type", "message"]) + notes


def _message(error: NodeError) -> str:
    content = html.words(masked_text(error.error_message))
    if error.stack_trace:
        trace = masked_text(error.stack_trace)
        cut_off = "…" if len(trace) > STACK else ""
        content += html.folded("stack trace", html.preformatted(cut_off + trace[-STACK:]))
    return content


def _picture(run: Run) -> str:
    """Return the workflow drawn, if its definition is known without asking anybody."""
    definition = wiring.call("known definition", run)
    if definition is None:
        return ""
    from fgnb.render.graph import graph_of_run

    picture = graph_of_run(definition, run, wiring.call("trace of", run) or ()).picture()
    return html.section("workflow", picture)


def _about(run: Run) -> str:
    rows = [(name, value) for name, value in _ids(run) if value]
    rows.append(("run", run.run_id))
    if run.begin_time and run.end_time:
        rows.append(("service", f"{run.begin_time:%Y-%m-%d %H:%M:%S} to {run.end_time:%Y-%m-%d %H:%M:%S} UTC"))
    rows.append(("submitted", f"{run.submitted_at:%Y-%m-%d %H:%M:%S} UTC, {run.connection}".rstrip(", ")))
    rows += [(f"tag {name}", compact({name: value}, 200)) for name, value in run.tags.items()]
    cells = [(html.muted(name), html.span(str(value), f"{html.MONO};font-size:12px")) for name, value in rows]
    return html.folded("about this run", html.table(cells))
