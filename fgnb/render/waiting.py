"""A run under way: which, since when, for how long.

What is shown last stays in the saved notebook if the kernel ends, so that it must be true then, too.
"""

from __future__ import annotations

from fgnb.render import html
from fgnb.render.run import elapsed_text
from fgnb.render.run import show as show_run
from fgnb.render.text import WIDTH, broken, cut, one_line, room
from fgnb.runs.pending import PendingRun, Waiting
from fgnb.runs.run import Run


def show(waiting: Waiting) -> dict[str, str]:
    """Return it as a MIME bundle."""
    word, elapsed, since = _told(waiting)
    kept = f'If the kernel ends before it does, fgnb.history("{waiting.workflow}") has it.' if waiting.is_kept else ""
    head = (
        f"<div>{html.pill(f'… {word}', html.OTHER_COLOUR)} &nbsp;{html.strong(waiting.workflow)}"
        f" &nbsp;{html.muted(f'{elapsed}, {since}')}</div>"
    )
    content = head + (f"<div>{html.muted(kept)}</div>" if kept else "")
    return {"text/plain": line(waiting), "text/html": html.frame_box(content, html.OTHER_COLOUR)}


def line(waiting: Waiting, width: int = WIDTH) -> str:
    """Return it on one line of at most `width` cells."""
    word, elapsed, since = _told(waiting)
    return cut(f"… {word}  {one_line(waiting.workflow)}  {elapsed}  {since}", width)


def _told(waiting: Waiting) -> tuple[str, str, str]:
    word = "cancelling" if waiting.cancelling else "running"
    return word, elapsed_text(waiting.elapsed), f"since {waiting.submitted_at:%H:%M:%S} UTC"


def show_pending(pending: PendingRun) -> dict[str, str]:
    """Return a run in the background as a MIME bundle: as a run once it has ended."""
    return show_state(pending.state())


def show_state(state: Run | Waiting | BaseException) -> dict[str, str]:
    """Return what becomes of a run in the background as a MIME bundle."""
    if isinstance(state, Run):
        return show_run(state)
    if isinstance(state, Waiting):
        return show(state)
    text = "\n".join(broken(f"{type(state).__name__}: {state}", room()))
    colour = html.STATUS_COLOURS["fail"]
    return {"text/plain": text, "text/html": html.frame_box(html.preformatted(text), colour)}
