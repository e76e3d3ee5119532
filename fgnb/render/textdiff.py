"""How two texts differ: what was taken out and what was put in, with some of what stands around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from fgnb.render import html

LONG = 40  # characters from which a text is shown by its differences
AROUND = 24  # characters that are shown beside a difference
AROUND_TEXT = 10  # on a line of plain text
MOST = 400  # words that are matched with each other; of longer texts the whole middle is replaced
ADDED = "background:rgba(46,158,91,.25)"
REMOVED = "background:rgba(217,63,63,.22);text-decoration:line-through"

_WORDS = re.compile(r"\w+|\s+|.", re.DOTALL)
Part = tuple[str, str]  # "=", "-" or "+", and the text


def is_long(*texts: object) -> bool:
    """Whether values are texts that are easier to compare by their differences."""
    return all(isinstance(text, str) for text in texts) and any(len(str(text)) > LONG for text in texts)


def parts(before: str, after: str) -> Iterator[Part]:
    """Yield what two texts share (``=``), and what was taken out (``-``) and put in (``+``), word by word.

    Lines, if there are several, are matched first, and then the words of what is left.
    """
    start = _shared(before, after)
    end = _shared(before[start:][::-1], after[start:][::-1])
    if start:
        yield "=", before[:start]
    yield from _middle(before[start : len(before) - end], after[start : len(after) - end])
    if end:
        yield "=", before[len(before) - end :]


def _shared(one: str, other: str) -> int:
    """Return the length of the shared beginning, back to a boundary of words."""
    count = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    while count and any(len(text) > count and text[count - 1 : count + 1].isalnum() for text in (one, other)):
        count -= 1
    return count


def _middle(before: str, after: str) -> Iterator[Part]:
    for split in (lambda text: text.splitlines(keepends=True), _WORDS.findall):
        old, new = split(before), split(after)
        if max(len(old), len(new)) <= MOST and (len(old) > 1 or len(new) > 1):
            break
    else:
        old, new = [before], [after]
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            yield "=", "".join(old[a:b])
            continue
        if b > a:
            yield "-", "".join(old[a:b])
        if d > c:
            yield "+", "".join(new[c:d])


def _cut(found: list[Part], around: int) -> Iterator[Part]:
    """Yield the parts, of what is shared no more than stands beside a difference."""
    last = len(found) - 1
    for number, (what, text) in enumerate(found):
        left = text[:around] if number else ""
        right = text[-around:] if number < last else ""
        is_longer = what == "=" and len(text) > len(left) + len(right) + 3
        yield what, f"{left}…{right}" if is_longer else text


def marked_html(before: str, after: str) -> str:
    """Return the differences as HTML: what was put in, and what was taken out struck through."""
    shown = ""
    for what, text in _cut(list(parts(before, after)), AROUND):
        if what == "=":
            shown += html.escape(text)
        else:
            tag, style = ("ins", ADDED) if what == "+" else ("del", REMOVED)
            shown += f'<{tag} style="text-decoration:none;{style}">{html.escape(text)}</{tag}>'
    return f'<span style="white-space:pre-wrap;overflow-wrap:anywhere">{shown}</span>'


def marked_text(before: str, after: str) -> str:
    """Return the differences on one line: ``… is [-12-]{+13+} …``, as wdiff writes them."""
    signs = {"=": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
    return "".join(signs[what].format(text) for what, text in _cut(list(parts(before, after)), AROUND_TEXT))
