"""A plot as a picture in a page: no figure of pyplot's, whose state all threads share."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fgnb.errors import ConfigError
from fgnb.render import html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (8.2, 4.4)  # inches
SHARP = 110  # dots per inch
INK = "#808080"  # readable on white and on black
GROUND = "#5a6068"


def plot_html(draw: Callable[[Axes], object], alt: str) -> str:
    """Return what `draw` draws in the axes that it gets as an ``<img>``; fits light and dark themes.

    Args:
        draw: draws the plot.
        alt: what it shows, for those who don't see it.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("plots take a package more: pip install 'fgnb[plot]', then restart the kernel") from None
    figure = Figure(figsize=SIZE, dpi=SHARP, layout="constrained")
    draw(figure.add_subplot())
    _tint(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True)
    address = f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
    width = round(SIZE[0] * SHARP)
    return f'<img src="{address}" alt="{html.attribute(alt)}" style="max-width:100%;width:{width}px;height:auto">'


def _tint(figure: Any) -> None:
    """Draw black lines and texts in a colour that both grounds let stand out."""
    from matplotlib.spines import Spine
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_color(INK)
    for text in (text for axes in figure.axes for text in axes.texts):  # which stands on what is drawn
        text.set(color="white", bbox={"boxstyle": "round,pad=0.12", "facecolor": GROUND, "edgecolor": "none"})
    for spine in figure.findobj(Spine):
        spine.set_edgecolor(INK)
    for axes in figure.axes:
        axes.tick_params(which="both", color=INK, labelcolor=INK)
        legend = axes.get_legend()
        if legend is not None:
            legend.get_frame().set(facecolor="none", edgecolor=INK)
