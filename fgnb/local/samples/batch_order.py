"""The functions of the sample workflow ``batch-order``; lines are priced by ``order-triage``'s."""

from __future__ import annotations

from typing import Any

from fgnb.local.context import Context

TIMEOUT = 3.0

_PER_PIECE = {"rail": 180, "road": 410}  # cents


class NoCarrier(LookupError):
    """Nobody goes there."""


def batch_total(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Add up the lines."""
    lines = event["lines"]
    total = sum(round(line["total"] * 100) for line in lines)
    return {"lines": len(lines), "pieces": sum(line["qty"] for line in lines), "total": total / 100}


def batch_quote(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Ask a carrier for its price; the railway has no wagons for the south, and says so in its answer."""
    carrier, region = event["carrier"], event["region"]
    if region not in ("north", "south"):
        raise NoCarrier(f"no carrier goes to the region '{region}'")
    if (carrier, region) == ("rail", "south"):
        return {"status": 503, "reason": "no wagons"}
    pieces = sum(line["qty"] for line in event.get("lines", [])) or 1
    return {"status": 200, "carrier": carrier, "price": _PER_PIECE[carrier] * pieces / 100}


def batch_decide(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Put the results together."""
    goods, freight = event["goods"], event["freight"]
    total = (round(goods["total"] * 100) + round(freight["price"] * 100)) / 100
    return {"decision": event["decision"], "carrier": freight["carrier"], "total": total, "goods": goods}


FUNCTIONS = (batch_total, batch_quote, batch_decide)
