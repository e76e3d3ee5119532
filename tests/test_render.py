"""What is shown: escaped, well formed, within its width, small whatever the data."""

import html
import re
import time
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import fgnb
from fgnb.deployment import Workflow
from fgnb.render.explorer import errors_html, heading
from fgnb.render.messages import message_line
from fgnb.render.progress import show as show_progress
from fgnb.render.run import card_html, card_text, elapsed_text
from fgnb.render.text import columns, cut, wrapped
from fgnb.render.value import value_html, value_lines
from fgnb.render.waiting import show_state
from fgnb.runs.compare import compare
from fgnb.runs.pending import Waiting
from fgnb.runs.preview import Preview
from fgnb.runs.progress import Meter
from fgnb.runs.run import NodeError, Run
from fgnb.runs.runset import RunSet
from fgnb.visible import visible

HOSTILE = "<script>alert('x')</script> & \"quoted\" \x1b[31m \u202e <img src=x onerror=y>"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=30,
)


def a_run(**given: Any) -> Run:
    """Return a run with what is given."""
    now = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    return Run(**{"workflow": "w", "status": "success", "submitted_at": now, "elapsed": 0.5, "input": {}} | given)


def a_failed_run(text: str) -> Run:
    """Return a failed run with a text in every place that can hold one."""
    error = NodeError(node_id=text, node_name=text, error_type=text, error_message=text, stack_trace=text)
    return a_run(
        status="fail",
        workflow=text,
        execution_id=text,
        request_id=text,
        reason=text,
        connection=text,
        node_errors=(error,),
        input={text: [text, {text: text}]},
        tags={text: text},
    )


class Parsed(HTMLParser):
    """The tags of a piece of HTML; fails where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        if tag != "img":  # which has no end
            self.open.append(tag)
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost tag ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text.append(data)


ALLOWED = {
    "img", "div", "span", "strong", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre"
}  # fmt: skip


def assert_safe(html: str) -> None:
    """Check that a piece of HTML nests, runs nothing and loads nothing."""
    parsed = Parsed(html)
    assert parsed.tags <= ALLOWED
    assert {name for name, _ in parsed.attributes} <= {"style", "scope", "dir", "src", "alt"}
    assert not any(
        "url(" in (value or "") or "http" in (value or "") for name, value in parsed.attributes if name != "src"
    )
    assert all(
        (value or "").startswith("data:image/svg+xml;base64,") for name, value in parsed.attributes if name == "src"
    )
    assert not any(char < " " and char not in "\n\t" for char in html)


@pytest.mark.parametrize("text", [HOSTILE, "汉字" * 100, "x" * 5000, "‏עברית", "a\nb\tc"])
def test_every_display_escapes_every_text(text: str) -> None:
    failed, good = a_failed_run(text), a_run(output={text: [{text: text}, {text: 1}]}, workflow=text)
    definition = {"name": text, "mode": text, "states": [{"id": text, "type": text, "name": text}]}
    for shown in (
        failed,
        good,
        RunSet([failed, good]),
        compare(failed, good),
        Workflow(name=text, id=text, urn=text, definition=definition),
    ):
        bundle = shown._repr_mimebundle_()
        assert_safe(bundle["text/html"])
        assert "\x1b" not in bundle["text/plain"]
        assert "\u202e" not in bundle["text/plain"]


@pytest.mark.parametrize("text", [HOSTILE, "汉字" * 100, "x" * 5000, "‏עברית", "a\nb\tc"])
def test_what_is_under_way_or_only_planned_escapes_every_text_within_the_width(text: str) -> None:
    now = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    waiting = Waiting(workflow=text, run_id=text, submitted_at=now, elapsed=1.0, is_kept=True)
    common = {"workflow": text, "method": "POST", "url": text, "body": {text: [text]}, "size": 1, "timeout": 1.0}
    planned = Preview(headers={text: text}, is_sweep=True, inputs=[{text: text}, text], tags={text: text}, **common)
    meter = Meter(text, total=3)
    meter.ended(text)
    for bundle in (
        show_state(waiting),
        show_state(fgnb.FgnbError(text)),
        planned._repr_mimebundle_(),
        show_progress(meter.now()),
    ):
        assert_safe(bundle["text/html"])
        assert not any(char in bundle["text/plain"] for char in "\x1b\u202e")
        assert max(map(cell_len, bundle["text/plain"].split("\n"))) <= 100


def test_a_failure_obeys_no_control_character_and_shows_no_secret() -> None:
    secret = "hunter2.hunter2"
    message = f"\x1b[2Jgone \u202e: Authorization: Bearer {secret}, see https://user:{secret}@example.org/"
    error = NodeError(
        node_id="call", node_name="call", error_type="IOError", error_message=message, stack_trace=message
    )
    failed = a_run(status="fail", reason=message, node_errors=(error,))
    with pytest.raises(fgnb.WorkflowFailed) as caught:
        failed.raise_for_status()
    lines = "\n".join(caught.value._render_traceback_())
    assert "gone" in lines
    for shown in (lines, *failed._repr_mimebundle_().values(), *RunSet([failed])._repr_mimebundle_().values()):
        assert secret not in shown
        assert not any(char in shown for char in "\x1b\u202e")
    assert secret not in str(caught.value)


def test_nothing_is_typeset_as_mathematics() -> None:
    workflow = fgnb.connect("local").workflow("order-triage")
    for shown in (workflow, a_failed_run("from $5 to $6, \\(x\\) \\begin{a}"), a_run(output={"$a": "$b$"})):
        texts = Parsed(shown._repr_mimebundle_()["text/html"]).text
        assert "$" in texts
        assert not any(len(text) > 1 and ("$" in text or "\\" in text) for text in texts)


def test_what_stands_out_does_so_without_styles_too() -> None:
    shown = card_html(a_failed_run("x")), compare(a_run(output=1), a_run(output=2))._repr_mimebundle_()["text/html"]
    card, compared = (re.sub(r' style="[^"]*"', "", html) for html in shown)
    assert card.startswith("<div><div><strong>✗ fail</strong> &nbsp;<strong>x</strong> &nbsp;")
    assert "<strong>2 runs of w differ in 1 path</strong>" in compared
    assert "<span>output</span></th><td>1</td><td><strong>2</strong></td>" in compared


@given(JSON)
def test_any_output_makes_a_safe_card_within_its_width(output: Any) -> None:
    run = a_run(output=output)
    assert_safe(card_html(run))
    for line in card_text(run, width=72).split("\n"):
        assert cell_len(line) <= 72


def test_a_card_holds_what_a_reader_looks_for() -> None:
    failed = fgnb.connect("local").run("order-triage", {"sku": "A-1", "qty": 500}, check=False)
    text, html = card_text(failed), card_html(failed)
    for part in ("fail", "order-triage", "Reserve-stock (stock)", "OutOfStock", "500 of A-1 ordered, 120 in stock"):
        assert part in text
        assert part in "".join(Parsed(html).text)
    assert failed.request_id is not None
    assert failed.request_id in text
    assert "order_triage.py" in html  # the stack trace, folded
    assert "input  {sku: A-1, qty: 500}" in "".join(Parsed(html).text)  # folded, its beginning told


def test_a_narrow_card_keeps_the_ids() -> None:
    ids = {"execution_id": "e" * 36, "request_id": "r" * 36}
    text = card_text(a_run(**ids), width=50)
    assert all(value in text for value in ids.values())


def test_a_long_error_message_is_wrapped_not_lost() -> None:
    message = "the warehouse in " + "Shenzhen and " * 12 + "Langfang holds none"
    text = card_text(a_run(status="fail", node_errors=(NodeError(node_id="n", error_message=message),)))
    assert " ".join(text.split()).count("Shenzhen and") == 12


def test_a_hint_says_what_to_do_and_its_lines_stay_one_above_the_other() -> None:
    long = "The gateway read the request just as it was signed: " + "the secret key does not belong to it " * 3
    run = a_run(status="rejected", reason="Refused <b>", hint=long)
    assert " ".join(card_text(run, width=60).split()).count("does not belong") == 3
    both = "changed 'host'\n  gateway: host:a\n  signed:  host:b\n                ^"
    run = a_run(status="rejected", reason="Refused <b>", hint=both)
    assert "\n".join(f"  {line}" for line in both.splitlines()) in card_text(run)
    assert "<pre" in card_html(run)
    assert_safe(card_html(run))


def test_a_streamed_answer_shows_no_output_but_says_where_it_is() -> None:
    run = a_run(
        status="success", output=None, raw=b"\x00\x01", reason="a streaming workflow answered: 2 bytes, in .raw"
    )
    for card in (card_text(run), card_html(run)):
        assert "2 bytes, in .raw" in card
        assert "output" not in card


def test_big_values_are_cut_in_the_display_and_said_to_be() -> None:
    output = {"rows": [{"n": n, "text": "x" * 100} for n in range(20_000)], "text": "y" * 2_000_000}
    began = time.process_time()
    html, text = value_html(output), "\n".join(value_lines(output))
    assert time.process_time() - began < 20
    assert len(html) < 40_000
    assert len(text) < 1_000
    assert "… 19,970 more rows" in html
    assert "2,000,000 characters in all" in html


@pytest.mark.parametrize("leaf", [1, None, {}, [], "", "hunter2"], ids=repr)
def test_many_small_values_make_no_big_display(leaf: Any) -> None:
    keys = [f"token{number}" if leaf == "hunter2" else f"key{number}" for number in range(30)]
    deep = {a: {b: dict.fromkeys(keys, leaf) for b in keys} for a in keys}
    table = [{a: [dict.fromkeys(keys[:12], leaf) for _ in range(30)] for a in keys[:12]} for _ in range(30)]
    assert len(value_html(deep)) < 400_000
    assert len(value_html(table)) < 400_000


def test_texts_of_some_length_are_whole_and_behind_very_much_else_one_line() -> None:
    text = "word " * 100
    assert f">{text.strip()}" in value_html(text.strip())
    rows = [["x" * 3500] * 30 for _ in range(3)]
    late = value_html([*rows, [text.strip(), {}]])
    assert text.strip() not in late
    assert "word word" in late


def test_a_list_of_objects_is_a_table() -> None:
    html = value_html([{"sku": "A", "qty": 1}, {"sku": "B", "left": None}])
    assert html.count("<tr") == 3
    assert [text for text in Parsed(html).text if text in ("sku", "qty", "left")] == ["sku", "qty", "left"]
    assert value_lines([{"sku": "A", "qty": 1}, {"sku": "B"}]) == ["sku  qty", "A    1", "B"]


def test_text_and_number_and_null_can_be_told_apart() -> None:
    shown = [value_html(value) for value in ("1", 1, "", None, [], {}, True)]
    assert len(set(shown)) == len(shown)


def test_a_comparison_marks_what_differs_from_the_first_run() -> None:
    one, two = a_run(output={"a": 1, "b": 1}), a_run(output={"a": 2, "b": 1})
    bundle = compare(one, two, keep_equal=True)._repr_mimebundle_()
    assert "differ in 1 path" in bundle["text/plain"]
    marked = [line for line in bundle["text/plain"].splitlines() if "* " in line]
    assert [line.split()[0] for line in marked] == ["output.a"]
    assert bundle["text/html"].count("rgba(255,180,0") == 1


def test_a_comparison_says_by_which_tags_its_runs_differ() -> None:
    before, after = (
        a_run(run_id=f"run-{tag}", output={"a": tag}, tags={"version": tag, "by": "me", "token": tag} | more)
        for tag, more in (("v1", {}), ("<v2>", {"note": 1}))
    )
    shown = compare(before, after)._repr_mimebundle_()
    lines = shown["text/plain"].splitlines()
    assert lines[1].split() == ["path", "run-v1", "run-<v2>"]
    assert lines[2].split("  ")[1] == "tags"
    assert "version: v1, token: ***" in lines[2]
    assert "version: <v2>, token: ***, note: 1" in lines[2]
    assert "version: &lt;v2&gt;" in shown["text/html"]
    (cell,) = re.findall(r'<td style="[^"]*rgba\(255,180,0[^"]*">(.*?)</td>', shown["text/html"])
    assert re.findall(r"<strong [^>]*>(.*?)</strong>", cell) == ["&lt;v2&gt;"]  # the output, a row below
    same = compare(a_run(tags={"by": "me"}), a_run(tags={"by": "me"}))._repr_mimebundle_()
    assert "tags" not in same["text/plain"]


def test_runs_that_do_not_differ_say_so() -> None:
    one = a_run(output={"a": 1})
    assert "do not differ" in compare(one, a_run(output={"a": 1}, elapsed=0.7))._repr_mimebundle_()["text/plain"]


def test_a_set_shows_counts_and_its_first_rows() -> None:
    runs = RunSet(a_run(output={"n": n}) if n % 3 else a_run(status="fail") for n in range(40))
    bundle = runs._repr_mimebundle_()
    assert bundle["text/plain"].startswith(
        "40 runs of w: 26 success, 14 fail\n  elapsed: median 0.500 s, p95 0.500 s\n"
    )
    assert "… 30 more" in bundle["text/html"]
    assert RunSet()._repr_mimebundle_()["text/plain"] == "no runs"


def test_a_message_is_told_without_what_every_message_says_and_cut_where_seen() -> None:
    said = "function invocation exception, error: no article starts with 'n' (SKU nope), ask the ware house"
    bad = NodeError(node_id="price", error_message=said, error_type="UnknownSku")
    runs = RunSet(
        [a_run(run_id="a", status="fail", node_errors=(bad,)), a_run(run_id="b", status="fail", reason="x" * 99)]
    )
    shown = runs._repr_mimebundle_()
    for cell in ("price: no article starts with 'n' (SKU nope), ask the ware…", "x" * 59 + "…"):
        assert cell in html.unescape(shown["text/html"])
    compared = compare(RunSet([a_run()]), runs[:1])._repr_mimebundle_()
    assert "no article starts" in compared["text/plain"]
    assert "invocation exception" not in str(compared) + str(shown)
    assert runs.frame["error_message"].iloc[0] == said  # what the service said
    assert message_line("function invocation exception, error: ") != ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0041, "0.004 s"),
        (9.9994, "9.999 s"),
        (9.9999, "10.0 s"),
        (12.34, "12.3 s"),
        (99.99, "1 min 40 s"),
        (250.2, "4 min 10 s"),
        (3600, "60 min 0 s"),
        (3 * 3600 + 300, "3 h 5 min"),
    ],
)
def test_elapsed_time_keeps_the_precision_that_matters(seconds: float, text: str) -> None:
    assert elapsed_text(seconds) == text


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=1, max_size=5), st.integers(30, 120))
def test_columns_never_exceed_the_width(rows: list[tuple[str, str, str]], width: int) -> None:
    clean = [tuple(visible(" ".join(cell.split())) for cell in row) for row in rows]
    assert all(cell_len(line) <= width for line in columns(clean, indent="  ", width=width))


def test_columns_align_wide_characters() -> None:
    lines = columns([("汉字", "1"), ("ab", "2")])
    assert [cell_len(line[: line.index(digit)]) for line, digit in zip(lines, "12", strict=True)] == [6, 6]


def test_cut_and_wrapped_say_that_something_is_missing() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("汉字汉字", 5) == "汉字…"
    assert wrapped("a b c d e f", indent="", width=3, lines=2) == ["a b", "c…"]


def test_one_of_a_kind_is_said_in_the_singular(tmp_path: Any) -> None:
    run, other = (
        a_run(run_id="r", output={"a": [0], "b": 5}),
        a_run(run_id="s", status="fail", node_errors=(NodeError(node_id="n", error_message="x"),)),
    )
    meter = Meter("w", total=1)
    meter.ended("success")
    session = fgnb.connect("local", history=tmp_path / "history.db")
    definition = session.workflow("order-triage").definition
    form = session.form("order-triage", schema={"type": "object", "properties": {"n": {"type": "integer"}}})
    shown = [
        RunSet([run]),
        compare(run, a_run(run_id="s", output={"a": [0], "b": 6})),
        compare(RunSet([run]), RunSet([other])),
        compare(RunSet([other]), RunSet([run])),
        session.deploy(definition | {"constants": {}}, dry_run=True),
        session.preview("order-triage", over=[{"n": 1}]),
        RunSet([other]).graph(definition),
        session.sweep("order-triage", [{"sku": "A-100"}], background=True, progress=False, name="one"),
    ]
    shown[-1].wait()
    texts = [text for each in shown for text in (repr(each), each._repr_mimebundle_()["text/plain"])]
    texts += [show_progress(meter.now("done"))["text/html"], heading(RunSet([run]), ""), errors_html(RunSet([other]))]
    texts += [
        errors_html(RunSet([run])),
        value_html({"a": {"b": {"c": [1]}}}),
        repr(form),
        repr(RunSet([run]).explore()),
    ]
    with pytest.raises(fgnb.InputError) as taken:
        session.sweep("order-triage", [{"sku": "A-100"}], progress=False, name="one")
    texts.append(str(taken.value))
    form.close()
    for text in texts:
        assert not re.search(r"(?<![\d.,:])1 (?!success|s\b)(more )?[a-z]+s\b", text), text


def test_a_long_set_shows_both_of_its_ends() -> None:
    runs = RunSet([a_run(run_id=f"run-{number:02}") for number in range(30)])
    for shown in runs._repr_mimebundle_().values():
        found = re.findall(r"run-\d\d", shown)
        assert found == [f"run-{number:02}" for number in (0, 1, 2, 3, 4, 25, 26, 27, 28, 29)]
        assert "… 20 more; see .frame" in shown
    assert re.findall(r"run-\d\d", runs[:10]._repr_mimebundle_()["text/plain"]) == [f"run-0{n}" for n in range(10)]


def test_a_comparison_tells_errors_without_what_the_runtime_says_of_each() -> None:
    def failed(number: int, *, more: int = 0) -> Run:
        messages = [f"function invocation exception, error: {number + each} of A-100 left" for each in range(1 + more)]
        errors = tuple(NodeError(node_id="stock", error_message=message) for message in messages)
        return a_run(status="fail", node_errors=errors, run_id=f"r{number}")

    two, several = compare(failed(1), failed(2)), compare(*(failed(n, more=n) for n in range(9)))
    sets = compare(RunSet([failed(1)]), RunSet([failed(5, more=1)]))
    for each, wanted in ((two, "1 of A-100 left"), (several, "0 of A-100 left (1)"), (sets, "1 of A-100 left")):
        for shown in each._repr_mimebundle_().values():
            assert "function invocation" not in shown
            assert wanted in html.unescape(shown)
    assert two.frame.loc["error.stock"].iloc[0].startswith("function invocation"), "the data keep it"
