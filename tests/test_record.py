"""Runs written to files and read again: runs/record.py, runs/table.py and runs/files.py."""

import dataclasses
import gzip
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgnb
from fgnb import jsontext
from fgnb.errors import ConfigError, InputError
from fgnb.runs.files import read_runs, write_runs
from fgnb.runs.record import record_of, run_of
from fgnb.runs.run import NodeError, Run
from fgnb.runs.runset import RunSet
from fgnb.runs.table import packed, table_of, unpacked
from tests.exact import exact
from tests.runs import AT, make_run, runs

FULL = make_run(
    run_id="r1",
    output={"n": 2**70, "t": "数量", "f": -0.0, "l": [{}, None]},
    headers={"x": "1"},
    node_errors=(NodeError(node_id="n", error_message="m", error_type="T", begin_time=AT),),
    tags={"when": "x", "n": 1},
    http_status=200,
    raw={"status": "success"},
)


def same(one: Run, other: Run) -> bool:
    """Whether two runs are equal to the types and the order of keys in their values."""
    fields = [field.name for field in dataclasses.fields(Run)]
    return one == other and all(exact(getattr(one, name)) == exact(getattr(other, name)) for name in fields)


@given(runs())
def test_any_run_comes_back_from_json(run):
    text = jsontext.dumps(record_of(run))
    assert same(run_of(jsontext.loads_answer(text)), run)


@given(st.lists(runs(), max_size=3))
@settings(deadline=None)
def test_any_runs_come_back_from_arrow(given):
    back = list(unpacked(packed(given)))
    assert len(back) == len(given)
    assert all(map(same, back, given))


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz", "r.parquet", "R.PARQUET"])
def test_files_hold_runs_exactly(tmp_path, name):
    kept = RunSet([FULL, make_run(status="fail", raw=b"\xff\x00"), make_run(workflow="\ud800")])
    write_runs(kept, tmp_path / name)
    write_runs(kept, tmp_path / name)  # replaces what is there
    back = fgnb.read_runs(str(tmp_path / name))
    assert all(map(same, back, kept))
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_columns_of_parquet_have_types_that_others_can_use(tmp_path):
    RunSet([FULL]).to_parquet(tmp_path / "r.parquet")
    shape = pq.read_schema(tmp_path / "r.parquet")
    assert shape.field("submitted_at").type == pa.timestamp("us", tz="UTC")
    assert shape.field("elapsed").type == pa.float64()
    frame = pq.read_table(tmp_path / "r.parquet").to_pandas()
    assert frame["input"].isna().all()
    assert jsontext.loads(frame.loc[0, "output"])["n"] == 2**70


def test_many_runs_are_written_in_groups_and_a_folder_is_read_in_order(tmp_path):
    write_runs((make_run(run_id=f"{n:06}", input=n) for n in range(25_000)), tmp_path / "part-2.parquet")
    write_runs([make_run(run_id="first", input=-1)], tmp_path / "part-1.parquet")
    assert pq.ParquetFile(tmp_path / "part-2.parquet").num_row_groups == 3
    assert [run.input for run in read_runs(tmp_path)] == list(range(-1, 25_000))
    write_runs([], tmp_path / "none.parquet")
    assert len(read_runs(tmp_path / "none.parquet")) == 0


def test_to_jsonl_has_one_object_per_line(tmp_path):
    RunSet([FULL, FULL]).to_jsonl(tmp_path / "r.jsonl.gz")
    first, second = gzip.decompress((tmp_path / "r.jsonl.gz").read_bytes()).splitlines()
    assert first == second
    assert jsontext.loads_answer(first)["submitted_at"] == "2026-11-22T08:00:00Z"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"workflow": "w"}\n', "line 1: this is no run.*status"),
        (b'\n\n{"workflow": "w", "status"', "line 3: it is not JSON"),
        (b"[]\n", "line 1: a run is an object, not list"),
        (b'{"workflow":"w","status":"s","submitted_at":"soon","elapsed":1}', "submitted_at"),
        (b'{"workflow":"w","status":"s","submitted_at":"2026-11-22T08:00:00Z","elapsed":"1"}', "elapsed"),
        (b'{"workflow":"w","status":"s","submitted_at":"2026-11-22T08:00:00Z","elapsed":1,"raw_base64":"%"}', "no run"),
    ],
)
def test_lines_that_are_no_runs_are_told_with_their_place(tmp_path, content, message):
    (tmp_path / "r.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_runs(tmp_path / "r.jsonl")
    assert "r.jsonl" in str(caught.value)


def test_members_of_a_later_version_are_left_out():
    record = record_of(FULL) | {"new": 1}
    assert run_of(record) == FULL


def test_other_files_are_told(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1nothing")
    with pytest.raises(InputError, match=r"a\.parquet: it is no Parquet file"):
        read_runs(tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: this is no table of runs.*run_id"):
        read_runs(tmp_path / "b.parquet")
    newer = table_of([FULL]).replace_schema_metadata({b"fgnb_format": b"99"})
    pq.write_table(newer, tmp_path / "c.parquet")
    with pytest.raises(InputError, match="newer fgnb"):
        read_runs(tmp_path / "c.parquet")
    for wrong in ("r.csv", "r"):
        with pytest.raises(InputError, match=r"\.parquet, \.jsonl"):
            write_runs([FULL], tmp_path / wrong)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no"):
        read_runs(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        read_runs(tmp_path / "none.jsonl")


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "r.jsonl"
    write_runs([FULL], path)

    def broken():
        yield FULL
        raise RuntimeError("stop")

    for name in ("r.jsonl", "r.parquet"):
        with pytest.raises(RuntimeError):
            write_runs(broken(), tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.jsonl"]
    assert read_runs(path)[0] == FULL


def test_tags_that_are_no_json_are_written_as_it(tmp_path):
    when = datetime(2026, 11, 22, tzinfo=UTC)
    write_runs([make_run(tags={"when": when})], tmp_path / "r.jsonl")
    assert read_runs(tmp_path / "r.jsonl")[0].tags == {"when": "2026-11-22T00:00:00Z"}
    with pytest.raises(InputError):
        write_runs([make_run(tags={"x": object()})], tmp_path / "r.jsonl")


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"fgnb\[parquet\]"):
        write_runs([FULL], tmp_path / "r.parquet")
