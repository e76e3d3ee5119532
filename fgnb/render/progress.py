"""How far a sweep is: one line of text, a bar in HTML."""

from __future__ import annotations

import math

from fgnb.counted import counted
from fgnb.render import html
from fgnb.render.run import elapsed_text
from fgnb.render.text import WIDTH, cut, one_line
from fgnb.runs.job import Job
from fgnb.runs.progress import Progress
from fgnb.runs.redact import masked_text

_STATES = ("finishing", "cancelling", "cancelled", "interrupted", "stopped")  # that are told


def show(progress: Progress) -> dict[str, str]:
    """Return the progress as a MIME bundle."""
    return {"text/plain": line(progress), "text/html": _html(progress)}


def show_job(job: Job) -> dict[str, str]:
    """Return a sweep's progress as a MIME bundle."""
    return show(job.progress)


def line(progress: Progress, width: int = WIDTH) -> str:
    """Return the progress on one line of at most `width` cells."""
    return cut("  ".join([one_line(progress.title), *_parts(progress)]), width)


def _parts(progress: Progress) -> list[str]:
    parts: list[str] = [progress.state] if progress.state in _STATES else []
    ended = progress.done + progress.skipped
    if progress.over:
        parts.append(f"{counted(progress.done, 'run')} in {elapsed_text(progress.elapsed)}")
    elif progress.total:
        parts.append(f"{ended:,} of {progress.total:,} ({ended / progress.total:.0%})")
    else:
        parts.append(counted(progress.done, "run"))
    if done_before := progress.skipped - progress.unknown_before:
        parts.append(f"{done_before:,} done before")
    if progress.unknown_before:
        parts.append(f"{progress.unknown_before:,} unknown before")
    parts += [f"{count:,} {one_line(status)}" for status, count in progress.counts.items() if status != "success"]
    if not progress.over:
        parts.append(f"{progress.rate:,.0f}/s" if progress.rate >= 100 else f"{progress.rate:.3g}/s")
        if progress.left is not None:
            parts.append(f"{_whole(progress.left)} left")
    if progress.note:
        parts.append(one_line(masked_text(progress.note)))
    return parts


def _whole(seconds: float) -> str:
    """Return a time that is an estimate, in whole seconds."""
    rounded = math.ceil(seconds)
    return f"{rounded} s" if rounded < 100 else elapsed_text(rounded)


def _html(progress: Progress) -> str:
    head = f"{html.strong(progress.title)} &nbsp;{html.muted(', '.join(_parts(progress)))}"
    ended = progress.done + progress.skipped
    # Of an unknown total, half of the bar is told as done: it must not look like the end.
    total = max(progress.total or (ended if progress.over else 2 * ended), ended, 1)
    shares = [(html.OTHER_COLOUR, progress.skipped - progress.unknown_before)]
    shares += [(html.status_colour("unknown"), progress.unknown_before)]
    shares += [(html.status_colour(status), count) for status, count in progress.counts.items()]
    bars = "".join(
        f'<div style="background:{colour};width:{100 * count / total:.3f}%"></div>' for colour, count in shares if count
    )
    bar = f'<div style="display:flex;height:6px;max-width:480px;background:rgba(128,128,128,.25)">{bars}</div>'
    return html.frame_box(f"<div>{head}</div>{bar}", html.OTHER_COLOUR)
