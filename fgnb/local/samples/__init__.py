"""Sample workflows, so that everything can be tried in the first minute.

Each is a YAML definition beside this file, with its functions in a module of the same name:

- ``order-triage``: prices an order, reserves stock, and decides whether a person must look at it.
  A quantity beyond the stock fails the node ``stock``; a SKU that starts with ``S-`` is asked for
  at the supplier, which takes two seconds.
- ``batch-order``: prices the lines of an order in a loop, adds them up while it asks for a carrier, and
  chooses between shipping and a review. The railway has no wagons for the region ``south``: after one
  more try, a second later, the haulier is asked. Any region but ``north`` and ``south`` fails the
  node ``rail``, inside a branch.
- ``document-extraction``: finds number, dates, amounts and parties in the text of an invoice. A
  document without text fails the node ``layout``; every page takes a tenth of a second.
- ``image-pipeline``: plans the variants of a picture. An unknown format fails the node ``encode``;
  a picture of over 50 megapixels takes two seconds.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from fgnb import yamltext
from fgnb.local.functions import Functions
from fgnb.local.samples import batch_order, document_extraction, image_pipeline, order_triage

functions = Functions()
for _module in (order_triage, batch_order, document_extraction, image_pipeline):
    for _function in _module.FUNCTIONS:
        functions.register(_function, timeout=_module.TIMEOUT)


@cache
def _texts() -> tuple[str, ...]:
    folder = files(__name__)
    names = ("order-triage", "batch-order", "document-extraction", "image-pipeline")
    return tuple(folder.joinpath(f"{name}.yaml").read_text("utf-8") for name in names)


def sample_definitions() -> list[dict[str, Any]]:
    """Return the definitions of the sample workflows, fresh at each call."""
    return [yamltext.loads(text) for text in _texts()]
