"""The functions of the sample workflow ``order-triage``."""

from __future__ import annotations

import time
from typing import Any

from fgnb.local.context import Context

TIMEOUT = 3.0

# cents per piece and pieces in the warehouse, by the first letter of the SKU
_GOODS = {"A": (4990, 120), "B": (12900, 40), "C": (790, 1000), "D": (259900, 6), "S": (8450, 25)}
_PER_CNY = {"CNY": 1.0, "EUR": 0.128, "USD": 0.139}


class UnknownSku(LookupError):
    """No such article."""


class OutOfStock(RuntimeError):
    """The warehouse holds less than was ordered."""


def order_price(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Look up the unit price and work out the total."""
    sku, qty, currency = event["sku"], event.get("qty", 1), event.get("currency", "CNY")
    if sku[:1] not in _GOODS:
        raise UnknownSku(f"no article starts with '{sku[:1]}' (SKU {sku})")
    if currency not in _PER_CNY:
        raise ValueError(f"no exchange rate for {currency}; known: {', '.join(_PER_CNY)}")
    unit = round(_GOODS[sku[0]][0] * _PER_CNY[currency])
    discount = 10 if event.get("coupon") == "TEN" else 0
    total = unit * qty * (100 - discount) // 100
    return {"sku": sku, "qty": qty, "currency": currency, "unit_price": unit / 100, "total": total / 100}


def order_stock(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Reserve the pieces; articles of the supplier's are asked for there, which takes a while."""
    if event["sku"].startswith("S-"):
        time.sleep(2.0)
    available = _GOODS[event["sku"][0]][1]
    if event["qty"] > available:
        raise OutOfStock(f"{event['qty']} of {event['sku']} ordered, {available} in stock")
    return event | {"warehouse": "Shenzhen" if event["qty"] > 20 else "Langfang", "left": available - event["qty"]}


def order_decide(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Decide whether the order ships by itself."""
    order, customer = event["order"], event.get("customer", {})
    reasons = []
    if order["total"] > event["review_above"]:
        reasons.append(f"total over {event['review_above']}")
    if customer.get("new"):
        reasons.append("first order of this customer")
    if order["left"] < 5:
        reasons.append("stock runs low")
    return {**order, "decision": "review" if reasons else "ship", "reasons": reasons}


FUNCTIONS = (order_price, order_stock, order_decide)
