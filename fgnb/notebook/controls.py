"""Lines and alerts in the HTML of widgets."""

from __future__ import annotations

from fgnb.render import html

LINES = f"{html.FONT};display:inline-block"  # ipywidgets' own lines are as high as a button
ERROR = "color:var(--jp-error-color1,#d93f3f)"


def line(text: str, style: str) -> str:
    """Return one line of text as HTML; nothing if it is empty."""
    return html.span(text, f"{LINES};{style}") if text else ""


def alert(content: str) -> str:
    """Return an error (HTML) so that it stands out, and a screen reader says it at once."""
    return f'<span role="alert" style="{ERROR}">{content}</span>'


def alert_line(text: str) -> str:
    """Return an error of one line of text."""
    return alert(line(text, ""))


def alert_block(text: str) -> str:
    """Return an error of several lines of text."""
    return f'<div role="alert" style="{ERROR}">{html.preformatted(text)}</div>'
