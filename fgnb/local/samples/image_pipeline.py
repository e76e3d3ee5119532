"""The functions of the sample workflow ``image-pipeline``."""

from __future__ import annotations

import time
from typing import Any

from fgnb.local.context import Context

TIMEOUT = 5.0

_BITS_PER_PIXEL = {"jpeg": 2.0, "webp": 1.4, "png": 9.0}


class UnsupportedFormat(ValueError):
    """The encoder does not know the format."""


def image_probe(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Read the picture's size; a huge one takes a while."""
    width, height = event["width"], event["height"]
    if min(width, height) < 1:
        raise ValueError(f"a picture can't be {width} × {height}")
    if width * height > 50_000_000:
        time.sleep(2.0)
    return {"picture": {"key": f"{event['bucket']}/{event['object']}", "width": width, "height": height}}


def image_resize(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Work out the sizes of the variants; a picture is never made larger."""
    picture = event["picture"]
    widths = sorted({min(width, picture["width"]) for width in event["widths"]})
    sizes = [
        {"width": width, "height": max(1, round(picture["height"] * width / picture["width"]))} for width in widths
    ]
    return {"picture": picture, "sizes": sizes}


def image_encode(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Estimate the bytes of each variant."""
    kind, key = event["format"], event["picture"]["key"]
    if kind not in _BITS_PER_PIXEL:
        raise UnsupportedFormat(f"can't encode {kind}; known: {', '.join(_BITS_PER_PIXEL)}")
    per_pixel = _BITS_PER_PIXEL[kind] * event["quality"] / 80 / 8
    variants = [
        size | {"key": f"{key}@{size['width']}.{kind}", "bytes": round(size["width"] * size["height"] * per_pixel)}
        for size in event["sizes"]
    ]
    return {"key": key, "variants": variants, "bytes": sum(variant["bytes"] for variant in variants)}


FUNCTIONS = (image_probe, image_resize, image_encode)
