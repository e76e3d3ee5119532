"""A workflow's picture as SVG: small, without a script or an address, legible on a light and on a dark page.

An SVG in an ``<img>`` does not see the page's colours, so boxes bring their own ground, and what
stands outside of them is of a grey that both pages show.
"""

from __future__ import annotations

from collections.abc import Sequence

from fgnb.render.graph_boxes import INSIDE, LEAD, LINE, SIDE, Box, Line, Panel, Wire
from fgnb.render.html import attribute
from fgnb.render.layout import Point

MARGIN = 6.0
ROUND = 5  # of corners
_EDGE, _ORANGE, _GREEN = "#76808f", "#cf6a1a", "#2e9e5b"
_STYLES = {
    "b": "font-weight:600;font-size:12px",
    "q": "fill:#5b6675",  # quiet text
    "k": "fill:#1d6b3e",  # times and counts
    "r": "fill:#b02a2a",  # messages
    "o": f"fill:{_EDGE}",  # text outside of boxes
    "n": "fill:#fff;stroke:#8c96a6",  # a box as it is
    "g": "fill:#e9edf3",  # the ground of what is inside
    "p": f"fill:#eaf7f0;stroke:{_GREEN};stroke-width:1.5",
    "h": f"fill:#fdf3e4;stroke:{_ORANGE};stroke-width:1.5",
    "f": "fill:#fdeaea;stroke:#d93f3f;stroke-width:2",
    "c": "stroke-dasharray:2 3",
    "x": "fill:#fff;stroke:#d93f3f;stroke-dasharray:4 3",
    "d": "fill:none;stroke:#8c96a6",
    "e": f"fill:none;stroke:{_EDGE};stroke-width:1.3;marker-end:url(#a)",
    "w": f"fill:none;stroke:{_ORANGE};stroke-width:1.3;stroke-dasharray:5 3;marker-end:url(#b)",
    "t": f"fill:none;stroke:{_GREEN};stroke-width:2.2;marker-end:url(#c)",
    "v": f"fill:none;stroke:{_ORANGE};stroke-width:2.2;stroke-dasharray:6 3;marker-end:url(#b)",
    "z": f"fill:{_EDGE}",  # dots
    "y": f"fill:none;stroke:{_EDGE};stroke-width:1.5",  # rings
    "u": "opacity:.55",  # ways that were not taken
    "m": "fill:#dfe3e9;stroke:#aab2bd",  # boxes on them
    "i": "fill:#d2d7de",  # and the ground inside
}
_TEXT = "text{font:11px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2733}"
_MARKERS = {"e": ("a", _EDGE), "w": ("b", _ORANGE), "t": ("c", _GREEN), "v": ("b", _ORANGE)}
_LOOKS = {"failed": "f", "passed": "p", "handled": "h", "cancelled": "n c", "running": "h c"}
_WEIGHTS = {"strong": "b", "": "", "quiet": "q", "note": "k", "bad": "r"}


def draw(panel: Panel, title: str) -> str:
    """Return a picture as SVG."""
    pen = _Pen()
    pen.panel(panel, MARGIN, MARGIN)
    width, height = round(panel.width + 2 * MARGIN), round(panel.height + 2 * MARGIN)
    styles = _TEXT + "".join(f".{name}{{{style}}}" for name, style in _STYLES.items() if name in pen.used)
    markers = {_MARKERS[name] for name in pen.used & set(_MARKERS)}
    heads = "".join(
        f'<marker id="{id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .5 8 4 0 7.5z" fill="{colour}"/></marker>'
        for id, colour in sorted(markers)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img"><title>{attribute(title)}</title>'
        f"<style>{styles}</style>{heads}{''.join(pen.parts)}</svg>"
    )


class _Pen:
    """Writes elements, and notes which styles they use."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.used: set[str] = set()
        self._muted = False  # whether what is around is muted already

    def _class(self, names: str) -> str:
        self.used.update(names.split())
        return f' class="{names}"' if names else ""

    def panel(self, panel: Panel, x: float, y: float) -> None:
        """Draw a chain whose corner is at a point: wires first, under the boxes."""
        if panel.title:
            self.text(panel.title, x, y + 11, "b q")
        for wire in panel.wires:
            self.wire(wire, x, y)
        for ring_x, ring_y in panel.rings:
            self.ring(x + ring_x, y + ring_y)
        for (left, top), line in panel.captions:
            self.text(line, x + left, y + top + 11, "o")
        for box in panel.boxes:
            self.box(box, x + box.x, y + box.y)
        for wire in panel.wires:
            self.label(wire, x, y)

    def text(self, line: Line, x: float, y: float, names: str, *, middle: bool = False) -> None:
        """Write a line, its whole text as a title if it was cut."""
        whole = f"<title>{attribute(line.whole)}</title>" if line.whole != line.text else ""
        anchor = ' text-anchor="middle"' if middle else ""
        self.parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}"{anchor}{self._class(names)}>{whole}{attribute(line.text)}</text>'
        )

    def box(self, box: Box, x: float, y: float) -> None:
        """Draw a node, and what is inside it."""
        outside = self._muted
        self._muted = muted = outside or box.mark.look == "muted" or not box.node.reached
        names = "m" if muted else _LOOKS.get(box.mark.look, "n")
        if box.node.kind == "missing":
            names = "x"
        tint = f' style="fill:{_tint(box.mark.share)}"' if box.mark.share else ""
        self._shape(box, x, y, names, tint)
        for number, line in enumerate(box.lines):
            names = _WEIGHTS[line.weight]
            if muted and "q" not in names:
                names = f"{names} q".lstrip()
            if box.mark.share and line.weight == "note":
                names = "b"
            self.text(line, x + SIDE, y + 16 + LINE * number, names)
        for panel in box.panels:
            self._ground(panel, x + panel.x, y + panel.y, box)
            self.panel(panel, x + panel.x, y + panel.y)
        middle = y + box.height / 2
        if box.start:
            self.parts.append(f'<circle cx="{_n(x - LEAD + 4)}" cy="{_n(middle)}" r="4"{self._class("z")}/>')
            self.path(f"M{_n(x - LEAD + 4)} {_n(middle)}H{_n(x)}", "e")
        if box.end:
            self.parts.append(f'<path d="M{_n(x + box.width)} {_n(middle)}h{_n(LEAD - 11)}"{self._class("y")}/>')
            self.ring(x + box.width + LEAD - 6, middle)
        self._muted = outside

    def _shape(self, box: Box, x: float, y: float, names: str, tint: str) -> None:
        width, height, kind = box.width, box.height, box.node.kind
        shape = self._class(names) + tint
        if kind == "Switch" and not box.panels:
            slant = 9.0
            self.parts.append(
                f'<path d="M{_n(x)} {_n(y + height / 2)}l{_n(slant)} {_n(-height / 2)}h{_n(width - 2 * slant)}'
                f'l{_n(slant)} {_n(height / 2)} {_n(-slant)} {_n(height / 2)}h{_n(2 * slant - width)}z"{shape}/>'
            )
            return
        corner = height / 2 if kind == "End" and len(box.lines) == 1 else 12 if kind in ("End", "Sleep") else ROUND
        self.parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(corner)}"{shape}/>'
        )
        if kind == "SubFlow":
            for side in (x + 4, x + width - 4):
                self.path(f"M{_n(side)} {_n(y)}v{_n(height)}", "d")

    def _ground(self, panel: Panel, x: float, y: float, box: Box) -> None:
        width = box.width - 2 * INSIDE + 8
        self.parts.append(
            f'<rect x="{_n(x - 4)}" y="{_n(y - 4)}" width="{_n(width)}" height="{_n(panel.height + 8)}" '
            f'rx="4"{self._class("i" if self._muted else "g")}/>'
        )

    def ring(self, x: float, y: float) -> None:
        """Draw what ends a way."""
        self.parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="4.5"{self._class("y")}/>')
        self.parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2"{self._class("z")}/>')

    def path(self, d: str, names: str) -> None:
        """Draw a path."""
        self.parts.append(f'<path d="{d}"{self._class(names)}/>')

    def wire(self, wire: Wire, x: float, y: float) -> None:
        """Draw an edge."""
        points = [(x + left, y + top) for left, top in wire.points]
        failure = wire.edge is not None and wire.edge.kind == "error"
        names = ("v" if wire.taken else "w") if failure else "t" if wire.taken else "e"
        if wire.edge is None:
            names = "y"
            points[-1] = (points[-1][0] + 1, points[-1][1])
        d = _around(points) if wire.back else _along(points)
        self.path(d, f"{names} u" if wire.muted or self._muted else names)

    def label(self, wire: Wire, x: float, y: float) -> None:
        """Write what stands at an edge."""
        if wire.at is None:
            return
        left, top = x + wire.at[0], y + wire.at[1]
        width, height = wire.size
        muted = wire.muted or self._muted
        self.parts.append(
            f'<rect x="{_n(left - width / 2)}" y="{_n(top - height / 2)}" width="{_n(width)}" '
            f'height="{_n(height)}" rx="9"{self._class("i" if muted else "g")}/>'
        )
        for number, line in enumerate(wire.label):
            y = top + 4 + LINE * (number - (len(wire.label) - 1) / 2)
            self.text(line, left, y, "q" if muted else "", middle=True)


def _along(points: Sequence[Point]) -> str:
    """Return a path from left to right: straight, then a curve, and so on."""
    x, y = points[0]
    parts = [f"M{_n(x)} {_n(y)}"]
    for next_x, next_y in points[1:]:
        if round(next_y, 1) == round(y, 1):
            if parts[-1][0] == "H":
                parts.pop()
            parts.append(f"H{_n(next_x)}")
        else:
            middle = (x + next_x) / 2
            parts.append(f"C{_n(middle)} {_n(y)} {_n(middle)} {_n(next_y)} {_n(next_x)} {_n(next_y)}")
        x, y = next_x, next_y
    return "".join(parts)


def _around(points: Sequence[Point]) -> str:
    """Return a path that leads back below everything, with round corners."""
    (x1, y1), (x2, lane), (x3, _), (x4, y4) = points
    bend = 7.0
    return (
        f"M{_n(x1)} {_n(y1)}H{_n(x2 - bend)}Q{_n(x2)} {_n(y1)} {_n(x2)} {_n(y1 + bend)}V{_n(lane - bend)}"
        f"Q{_n(x2)} {_n(lane)} {_n(x2 - bend)} {_n(lane)}H{_n(x3 + bend)}"
        f"Q{_n(x3)} {_n(lane)} {_n(x3)} {_n(lane - bend)}V{_n(y4 + bend)}"
        f"Q{_n(x3)} {_n(y4)} {_n(x3 + bend)} {_n(y4)}H{_n(x4)}"
    )


def _tint(share: float) -> str:
    """Return a red that grows with a share; black text is legible on all of them."""
    weight = 0.25 + 0.75 * share**0.5
    red, green, blue = (round(255 + (value - 255) * weight) for value in (242, 110, 110))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _n(value: float) -> str:
    """Write a number with what a pixel needs."""
    return f"{value:.1f}".removesuffix(".0") if value else "0"
