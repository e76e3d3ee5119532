"""The sample workflows: real work, with inputs that make a node fail and inputs that take a while."""

from typing import Any

import pytest

import fgnb
from fgnb.local.service import Service

INVOICE = """Invoice: INV-2231
Seller: Langfang Paper Ltd.
Buyer: ACME
2026-11-01
Total: CNY 1200.50
Total: CNY 1200.50
No. INV-9999
"""


@pytest.fixture(autouse=True)
def _connected() -> None:
    fgnb.connect("local")


@pytest.mark.parametrize(
    ("workflow", "input", "expected"),
    [
        ("order-triage", {"sku": "A-1", "qty": 2}, {"total": 99.8, "decision": "ship", "left": 118, "reasons": []}),
        ("order-triage", {"sku": "A-1", "qty": 10, "currency": "EUR"}, {"unit_price": 6.39, "total": 63.9}),
        ("order-triage", {"sku": "C-1", "qty": 100, "coupon": "TEN"}, {"total": 711.0, "warehouse": "Shenzhen"}),
        (
            "order-triage",
            {"sku": "D-1", "qty": 3, "customer": {"new": True}},
            {"reasons": ["total over 5000", "first order of this customer", "stock runs low"], "decision": "review"},
        ),
        (
            "batch-order",
            {"lines": [{"sku": "A-1", "qty": 2}, {"sku": "C-7"}]},
            {"decision": "ship", "carrier": "rail", "total": 113.1, "goods": {"lines": 2, "pieces": 3, "total": 107.7}},
        ),
        ("batch-order", {"lines": [{"sku": "D-1", "qty": 9}]}, {"decision": "review"}),
        (
            "document-extraction",
            {"text": INVOICE},
            {
                "fields": {
                    "number": "INV-2231",
                    "date": "2026-11-01",
                    "total": 1200.5,
                    "currency": "CNY",
                    "seller": "Langfang Paper Ltd.",
                    "buyer": "ACME",
                },
                "doubtful": [],
            },
        ),
        ("document-extraction", {"text": INVOICE, "min_confidence": 0.95}, {"doubtful": ["buyer", "number", "seller"]}),
        (
            "image-pipeline",
            {"object": "a.jpg", "width": 640, "height": 480, "format": "png"},
            {
                "key": "pictures/a.jpg",
                "bytes": 432000,
                "variants": [
                    {"width": 320, "height": 240, "key": "pictures/a.jpg@320.png", "bytes": 86400},
                    {"width": 640, "height": 480, "key": "pictures/a.jpg@640.png", "bytes": 345600},
                ],
            },
        ),
    ],
)
def test_a_sample_does_its_work(workflow: str, input: Any, expected: dict[str, Any]) -> None:
    output = fgnb.run(workflow, input).output
    assert {key: output[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("workflow", "input", "node", "kind"),
    [
        ("order-triage", {"sku": "A-1", "qty": 121}, "stock", "OutOfStock"),
        ("order-triage", {"sku": "Z-1"}, "price", "UnknownSku"),
        ("order-triage", {"sku": "A-1", "currency": "XXX"}, "price", "ValueError"),
        ("batch-order", {"lines": [{"sku": "Z-1"}]}, "lines", "UnknownSku"),
        ("batch-order", {"lines": "A-1"}, "lines", "NotAnArray"),
        ("batch-order", {"lines": [], "region": "sea"}, "rail", "NoCarrier"),
        ("document-extraction", {"text": "  \n"}, "layout", "NoTextLayer"),
        ("image-pipeline", {"object": "a", "width": 9, "height": 9, "format": "tiff"}, "variants", "UnsupportedFormat"),
        ("image-pipeline", {"object": "a", "width": 0, "height": 9}, "probe", "ValueError"),
    ],
)
def test_a_sample_fails_at_the_node_it_says(workflow: str, input: Any, node: str, kind: str) -> None:
    (error,) = fgnb.run(workflow, input, check=False).node_errors
    assert (error.node_id, error.error_type) == (node, kind)
    assert error.node_name


@pytest.mark.parametrize(
    ("workflow", "input", "seconds"),
    [
        ("order-triage", {"sku": "S-1"}, 2.0),
        ("document-extraction", {"text": "x", "pages": 15}, 1.5),
        ("image-pipeline", {"object": "a", "width": 10_000, "height": 6_000}, 2.0),
    ],
)
def test_a_sample_takes_the_time_it_says(workflow: str, input: Any, seconds: float) -> None:
    run = fgnb.run(workflow, input)
    assert run.ok
    assert run.elapsed >= seconds


def test_the_railway_without_wagons_is_asked_once_more_and_then_the_haulier() -> None:
    run = fgnb.run("batch-order", {"lines": [{"sku": "A-1"}], "region": "south"})
    assert run.output["carrier"] == "road"
    assert run.elapsed >= 1
    shown = fgnb.trace(run)._repr_mimebundle_()
    assert shown["text/plain"].count("reason: no") == 3  # refused twice, and passed on
    frame = fgnb.trace(run).frame
    asked = frame[frame["place"] == "costs[1]"]
    assert asked[["node_id", "attempt", "status"]].values.tolist() == [
        ["rail", 1, "handled"],
        ["rail", 2, "handled"],
        ["road", 1, "success"],
    ]


def test_a_users_own_workflow_may_have_a_samples_name() -> None:
    own = {"name": "order-triage", "mode": "EXPRESS", "start": "e", "functions": [], "constants": {}, "retries": []}
    own["states"] = [{"id": "e", "name": "e", "type": "End", "end": True, "transition": ""}]
    names = [summary.name for summary in Service(definitions=[own]).catalog.page().workflows]
    assert sorted(names) == ["batch-order", "document-extraction", "image-pipeline", "order-triage"]
