"""What a run would send: the request line, its headers, its body, secrets masked."""

from __future__ import annotations

import json

from fgnb.counted import counted
from fgnb.render import html
from fgnb.render.text import broken, room
from fgnb.render.value import value_html, value_lines
from fgnb.runs.preview import Preview

MAX_BODY = 4000  # characters of a body that are shown


def show(preview: Preview) -> dict[str, str]:
    """Return the preview as a MIME bundle."""
    title = f"dry run of {preview.workflow}: nothing was sent"
    facts = [counted(preview.size, "byte"), f"answer within {preview.timeout:g} s"]
    facts += [f"tag {name} {value}" for name, value in preview.tags.items()]
    head = [f"{preview.method} {preview.url}", *(f"{name}: {value}" for name, value in preview.headers.items())]
    body = json.dumps(preview.body, ensure_ascii=False, indent=2)
    if len(body) > MAX_BODY:
        body = f"{body[:MAX_BODY]}\n… {len(body):,} characters in all"
    width = room()
    text = "\n".join((*head, "", body, "", ", ".join(facts)))
    lines = [*broken(title, width), *(f"  {line}" for line in broken(text, width - 2))]
    content = html.heading(title)
    content += (
        html.preformatted("\n".join(head)) + html.preformatted(body) + f"<div>{html.muted(', '.join(facts))}</div>"
    )
    if preview.is_sweep:
        told = (
            "a sweep over as many inputs as there come"
            if preview.total is None
            else f"a sweep over {counted(preview.total, 'input')}"
        )
        told += ", the first of them:" if preview.inputs else ""
        lines += [
            f"  {told}",
            *(value_lines(list(preview.inputs), indent="    ", width=width) if preview.inputs else []),
        ]
        content += html.section(told, value_html(list(preview.inputs)) if preview.inputs else "")
    return {"text/plain": "\n".join(lines), "text/html": html.frame_box(content, html.OTHER_COLOUR)}
