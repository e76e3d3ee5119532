"""Control characters made visible: a terminal or a browser would obey them."""

from __future__ import annotations

_VISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {0x7F: "␡"}
_VISIBLE |= dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000)], "\ufffd")
# Marks that reorder the text around them: a message must not rewrite its neighbours
_VISIBLE |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")


def visible(text: str) -> str:
    """Return `text` with control characters, which a terminal or browser would obey, made visible."""
    return text.translate(_VISIBLE)
