"""What a sweep runs over."""

import itertools
import tracemalloc
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import InputError
from fgnb.runs.inputs import ROWS, inputs_of
from fgnb.runs.runset import RunSet
from tests.exact import exact
from tests.runs import make_run


def listed(given, **options):
    inputs = inputs_of(given, **options)
    found = list(inputs)
    assert inputs.total in (None, len(found))
    return found


def test_grid_is_every_combination_and_the_last_key_changes_fastest():
    assert listed({"qty": range(1, 3), "sku": ["A", "B"]}) == [
        {"qty": 1, "sku": "A"},
        {"qty": 1, "sku": "B"},
        {"qty": 2, "sku": "A"},
        {"qty": 2, "sku": "B"},
    ]


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=4))
def test_grid_is_the_product_of_its_lists(lists):
    given = {f"k{number}": values for number, values in enumerate(lists)}
    assert [tuple(value.values()) for value in listed(given)] == list(itertools.product(*lists))


def test_zip_takes_values_side_by_side():
    assert listed({"qty": [1, 2], "sku": ["A", "B"]}, how="zip") == [{"qty": 1, "sku": "A"}, {"qty": 2, "sku": "B"}]


def test_zip_of_lists_of_different_lengths_is_refused_with_the_lengths():
    with pytest.raises(InputError, match="qty: 2, sku: 1"):
        inputs_of({"qty": [1, 2], "sku": ["A"]}, how="zip")


def test_dotted_keys_reach_inside_and_keep_what_the_base_holds_there():
    base = {"order": {"sku": "A", "qty": 0}, "currency": "CNY"}
    assert listed({"order.qty": [1, 2]}, base=base) == [
        {"order": {"sku": "A", "qty": 1}, "currency": "CNY"},
        {"order": {"sku": "A", "qty": 2}, "currency": "CNY"},
    ]
    assert base == {"order": {"sku": "A", "qty": 0}, "currency": "CNY"}


def test_inputs_share_nothing_with_the_base_or_each_other():
    first, second = inputs_of({"qty": [1, 2]}, base={"tags": ["a"]})
    first["tags"].append("b")
    assert second["tags"] == ["a"]


def test_frame_gives_a_row_each_and_leaves_missing_cells_out():
    frame = pd.DataFrame(
        {
            "qty": pd.array([1, None, 2**62], dtype="Int64"),
            "order.sku": ["00123", None, "B"],
            "price": [0.5, float("nan"), 1.0],
            "when": pd.to_datetime(["2026-01-01", None, "2026-01-03"], utc=True),
        }
    )
    assert listed(frame) == [
        {"qty": 1, "order": {"sku": "00123"}, "price": 0.5, "when": "2026-01-01T00:00:00+00:00"},
        {},
        {"qty": 2**62, "order": {"sku": "B"}, "price": 1.0, "when": "2026-01-03T00:00:00+00:00"},
    ]


def test_frame_longer_than_a_part_gives_all_its_rows_in_order():
    count = 2 * ROWS + 3
    assert [value["n"] for value in listed(pd.DataFrame({"n": range(count)}))] == list(range(count))


def test_list_gives_its_items_as_they_are_whatever_they_are():
    given = [{"a.b": 1}, [1, 2], "text", None, 2**80]
    found = listed(given)
    assert exact(found) == exact(given)


def test_base_goes_below_listed_inputs_and_deep():
    assert listed([{"a": {"x": 1}}, {}], base={"a": {"x": 0, "y": 2}}) == [
        {"a": {"x": 1, "y": 2}},
        {"a": {"x": 0, "y": 2}},
    ]


def test_base_below_an_input_that_is_no_object_is_refused_with_its_number():
    with pytest.raises(InputError, match=r"inputs\[1\]"):
        list(inputs_of([{}, 5], base={"a": 1}))


def test_iterator_is_taken_as_it_is_needed_and_its_length_is_not_known():
    taken = []

    def numbers():
        for number in itertools.count():
            taken.append(number)
            yield {"n": number}

    inputs = inputs_of(numbers())
    assert inputs.total is None
    assert list(itertools.islice(inputs, 3)) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert taken == [0, 1, 2]


def test_numpy_and_decimal_values_become_json():
    assert listed({"n": np.arange(2), "d": [Decimal("0.1")]}) == [{"n": 0, "d": 0.1}, {"n": 1, "d": 0.1}]


def test_value_that_json_cannot_hold_is_named_by_input_and_path():
    with pytest.raises(InputError, match=r"inputs\[1\]\.a\.b"):
        list(inputs_of([{}, {"a": {"b": float("nan")}}]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sku": "A-100"}, "list of values for each key"),
        ({"qty": 3}, "list of values for each key"),
        ({}, "at least one key"),
        ("A-100", "mapping of lists"),
        (5, "mapping of lists"),
        ({1: [2]}, "a key must be a text"),
        ({"a": [1], "a.b": [2]}, "lies inside 'a'"),
        ({"a.b": [1], "a['b']": [2]}, "the same place"),
        ({"items[0]": [1]}, "only keys of objects"),
        ({"a..b": [1]}, "is not a path"),
    ],
)
def test_what_means_no_inputs_is_refused_at_once(given, message):
    with pytest.raises(InputError, match=message):
        inputs_of(given)


def test_path_through_a_value_of_the_base_that_is_no_object_is_refused_at_once():
    with pytest.raises(InputError, match="can't be set below a str"):
        inputs_of({"order.qty": [1]}, base={"order": "A"})


def test_empty_list_gives_no_inputs():
    assert listed({"qty": []}) == []


def test_a_million_inputs_take_no_more_memory_than_a_few():
    inputs = iter(inputs_of({"a": range(1000), "b": range(1000)}, base={"c": {"d": [1, 2, 3]}}))
    next(inputs)
    tracemalloc.start()
    for _ in itertools.islice(inputs, 20_000):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_the_inputs_of_runs_are_given_again_exactly():
    values = [{"a": None, "b": {}}, 5, None, [1, {"x": 2**70}], {"a": {"b": 1}}]
    runs = RunSet(make_run(input=value) for value in values)
    assert exact(list(inputs_of(runs))) == exact(values)
    assert inputs_of(runs).total == 5
    assert list(inputs_of(runs[:1], base={"c": 1})) == [{"a": None, "b": {}, "c": 1}]


def test_a_frame_of_inputs_that_are_no_objects_is_read_again():
    values = [5, "text", {"a": 1, "b": 2}, [1, 2], {"b": 3}]
    frame = RunSet(make_run(input=value) for value in values).inputs
    assert exact(list(inputs_of(frame))) == exact(values)
    assert list(inputs_of(frame[["."]].dropna())) == [5, "text", [1, 2]]
