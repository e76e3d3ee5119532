"""The cell in an IPython shell: options, body, display, failures."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

import fgnb
from fgnb import shortcuts
from fgnb.notebook import body, options
from tests.exact import exact

ECHO = {
    "name": "echo",
    "mode": "EXPRESS",
    "start": "echo",
    "functions": [{"name": "cell_echo", "operation": ""}],
    "constants": {},
    "retries": [],
    "states": [
        {
            "id": "echo",
            "name": "echo",
            "type": "Operation",
            "end": True,
            "transition": "",
            "actions": [{"function_ref": {"ref_name": "cell_echo", "arguments": {}}}],
        }
    ],
}

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None), max_size=12)
    | st.sampled_from(["{{", "}}", "{{ x }}", "{{{{", "$x", "{x}", "%%", "\U000f0000", "\\u007b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Broken(Mapping[str, Any]):
    """A mapping that fails when it is read."""

    def __getitem__(self, key: str) -> Any:
        """Fail."""
        raise RuntimeError("it can't be read")

    def __iter__(self) -> Iterator[str]:
        """Yield a key."""
        yield "a"

    def __len__(self) -> int:
        """Return how many keys there are."""
        return 1


class RaisingShell(InteractiveShell):
    """A shell that hands a cell's exception to the test instead of printing it."""

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module", autouse=True)
def with_echo() -> None:
    """The embedded service has a workflow that gives back what it gets."""
    fgnb.function(lambda event, context: event, name="cell_echo")
    fgnb.connect("local").deploy(ECHO)


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    """An IPython shell with the extension loaded."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = RaisingShell.instance(config=config)
    with capture_output() as printed:
        shell.run_line_magic("load_ext", "fgnb")
    assert (printed.stdout, printed.stderr) == ("", "")
    yield shell
    shell.run_line_magic("unload_ext", "fgnb")
    assert "fgworkflow" not in shell.magics_manager.magics["cell"]
    RaisingShell.clear_instance()


def cell(shell: InteractiveShell, text: str, **variables: Any) -> Any:
    """Run a cell and return its value, or raise what it raised."""
    shell.user_ns.update(variables)
    with capture_output():
        result = shell.run_cell(text)
    result.raise_error()
    return result.result


def test_the_value_of_a_cell_is_the_run(shell: InteractiveShell) -> None:
    run = cell(shell, "%%fgworkflow order-triage -o run\nsku: A-100\nqty: {{ n }}\n", n=3)
    assert run.ok
    assert run.output["total"] == 149.7
    assert shell.user_ns["run"] is run
    assert run.frame.loc[run.run_id, "input.qty"] == 3


def test_a_json_body_and_a_yaml_body_mean_the_same(shell: InteractiveShell) -> None:
    customer = {"id": 2**60, "name": 'Ann "A" 汉'}
    as_yaml = 'n: {{ n }}\ncustomer: {{ customer }}\nid: {{ customer["id"] }}\ntext: "no {{ n }} {{{{ }}"\nno: NO\n'
    as_json = (
        '{"n": {{ n }}, "customer": {{ customer }}, "id": {{ customer["id"] }},'
        ' "text": "no {{ n }} {{{{ }}", "no": "NO"}'
    )
    expected = {"n": 7, "customer": customer, "id": 2**60, "text": "no 7 {{ }}", "no": "NO"}
    for text in (as_yaml, as_json):
        assert cell(shell, f"%%fgworkflow echo\n{text}", n=7, customer=customer).output == expected


@given(JSON_VALUES)
def test_any_json_value_goes_through_the_cell_and_comes_back(shell: InteractiveShell, value: Any) -> None:
    body = json.dumps({"value": value}).replace("{{", "{{{{")
    run = cell(shell, f"%%fgworkflow echo\n{body}\n")
    assert exact(run.output) == exact({"value": value})


@given(JSON_VALUES)
def test_any_json_value_in_a_variable_goes_through_and_comes_back(shell: InteractiveShell, value: Any) -> None:
    assert exact(cell(shell, "%%fgworkflow echo\nvalue: {{ it }}\n", it=value).output["value"]) == exact(value)
    assert exact(cell(shell, "%fgworkflow echo -i it", it={"deep": [value]}).output) == exact({"deep": [value]})


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_thousands_of_expressions_take_no_time_to_speak_of(shell: InteractiveShell, form: str) -> None:
    lines = [f'"k{number}": {{{{ n }}}}' for number in range(4000)]
    text = "{" + ",\n".join(lines) + "}" if form == "json" else "\n".join(lines)
    began = time.process_time()
    assert body.read(text, {"n": 7}, form) == {f"k{number}": 7 for number in range(4000)}
    assert time.process_time() - began < 20


def test_a_long_text_that_is_nearly_json_is_refused_at_once(shell: InteractiveShell) -> None:
    text = json.dumps({"rows": [{"n": n, "text": "x" * 50} for n in range(20_000)]})
    began = time.process_time()
    assert "not JSON: expecting ',' delimiter" in str(refused(shell, f"%%fgworkflow echo\n{text[:-1]}\n"))
    assert time.process_time() - began < 20


@pytest.mark.parametrize("depth", [500, 900, 980])
def test_what_is_nested_too_deeply_is_a_short_error_or_goes_through(shell: InteractiveShell, depth: int) -> None:
    try:
        run = cell(shell, f"%%fgworkflow echo\n{'[' * depth}{{{{ n }}}}{']' * depth}\n", n=7)
    except fgnb.InputError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017  # either may be
    else:
        assert str(run.output).strip("[]") == "7"


def test_the_mark_below_a_line_stands_where_its_wide_characters_end(shell: InteractiveShell) -> None:
    error = refused(shell, "%%fgworkflow echo\n汉字: {{ nowhere }}\r\n")
    assert str(error).split("\n")[1:] == ["    汉字: {{ nowhere }}", "          ^"]


def test_an_expression_may_go_over_several_lines(shell: InteractiveShell) -> None:
    assert cell(shell, "%%fgworkflow echo\nn: {{\n  1 +\n  2\n}}\nm: 1\n").output == {"n": 3, "m": 1}


def test_options_go_over_the_body_and_the_body_over_the_input_variable(shell: InteractiveShell) -> None:
    line = "echo -i base -p c.d=3 -p e=A-100 -p 'f=[1, 2]' -p g={{n+1}} -p h=00123"
    run = cell(shell, f"%%fgworkflow {line}\nb: body\nc: {{d: 1, x: 1}}\n", base={"a": "input", "b": "input"}, n=1)
    assert run.output == {
        "a": "input",
        "b": "body",
        "c": {"d": 3, "x": 1},
        "e": "A-100",
        "f": [1, 2],
        "g": 2,
        "h": "00123",
    }


def test_an_expression_on_the_line_needs_no_quotes(shell: InteractiveShell) -> None:
    words = ["a={{ n + 1 }}", 'b="x {{ n }}"', 'c={{ {"k": [n, "a b"]}["k"] }}', "'d={{ n * 2 }}'", "e={{{{", "f={{n}}"]
    assert cell(shell, f"%fgworkflow echo {' '.join(f'-p {word}' for word in words)}", n=3).output == {
        "a": 4, "b": "x 3", "c": [3, "a b"], "d": 6, "e": "{{", "f": 3,
    }  # fmt: skip


def test_the_line_form_needs_no_body(shell: InteractiveShell) -> None:
    assert cell(shell, "%fgworkflow order-triage -p sku=A-1").output["qty"] == 1
    assert cell(shell, "got = %fgworkflow echo -p a=1\ngot.output") == {"a": 1}


def test_a_line_in_a_function_sees_its_variables(shell: InteractiveShell) -> None:
    code = (
        "def call(n, given, earlier):\n    return get_ipython().run_line_magic('fgworkflow', {line!r})\ncall({values})"
    )
    run = cell(shell, code.format(line="echo -i given -p n={{n}} -o kept", values="5, {'a': 1}, None"), n=1)
    assert run.input == {"a": 1, "n": 5}
    assert shell.user_ns["kept"] is run
    compared = cell(shell, code.format(line="echo -p n={{n}} --compare earlier", values="6, {}, kept"))
    assert compared.frame.loc["input.n"].tolist() == [5, 6]
    assert len(cell(shell, code.format(line="echo --sweep given", values="0, {'a': [1, 2]}, None"))) == 2


def test_neither_line_nor_body_is_expanded_by_ipython(shell: InteractiveShell) -> None:
    run = cell(shell, "%%fgworkflow echo -p line=$n{n}\nbody: $n ${n} {n}\n", n=5)
    assert run.output == {"line": "$n{n}", "body": "$n ${n} {n}"}


def test_a_failing_run_fails_the_cell_shows_its_card_and_is_kept(shell: InteractiveShell) -> None:
    shell.user_ns["run"] = "old"
    with capture_output() as shown:
        result = shell.run_cell("%%fgworkflow order-triage -o run\nsku: A-100\nqty: 999\n")
    error = result.error_in_exec
    assert isinstance(error, fgnb.WorkflowFailed)
    assert shell.user_ns["run"] is error.run
    assert error.run.errors.loc[0, "error_type"] == "OutOfStock"
    lines = error._render_traceback_()
    assert lines[0] == "WorkflowFailed: order-triage: fail"
    assert "stock" in lines[1]
    assert error.run.request_id in "".join(lines)
    assert len(lines) <= 15
    assert [set(output.data) for output in shown.outputs] == [{"text/plain", "text/html"}]


def test_no_check_gives_the_failed_run_back(shell: InteractiveShell) -> None:
    run = cell(shell, "%%fgworkflow order-triage --no-check\nsku: A-100\nqty: 999\n")
    assert run.status == "fail"


def test_quiet_shows_nothing_and_stores_the_run(shell: InteractiveShell) -> None:
    assert cell(shell, "%%fgworkflow order-triage -q -o kept\nsku: A-100\n") is None
    assert shell.user_ns["kept"].ok
    with capture_output() as shown:
        result = shell.run_cell("%%fgworkflow order-triage -q -o kept\nsku: Z-100\n")
    assert isinstance(result.error_in_exec, fgnb.WorkflowFailed)
    assert shown.outputs == []


def test_a_timeout_ends_as_unknown_within_it(shell: InteractiveShell) -> None:
    with pytest.raises(fgnb.OutcomeUnknown) as caught:
        cell(shell, "%%fgworkflow document-extraction -t 0.2\ntext: x\npages: 300\n")
    assert caught.value.run.status == "unknown"
    assert 0.2 <= caught.value.run.elapsed < 20  # the run takes 30 s


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_printed_and_nothing_runs(shell: InteractiveShell, flag: str) -> None:
    with capture_output() as shown:
        result = shell.run_cell(f"%fgworkflow order-triage {flag}")
    assert result.success
    assert result.result is None
    for option in options.OPTIONS:
        assert all(flag in shown.stdout for flag in option.flags)


BAD_LINES = [
    ("order-triage --timeot 5", "unknown option --timeot; did you mean --timeout?"),
    ("order-triage -x", "unknown option -x"),
    ("order-triage -o", "-o needs a value: -o VAR"),
    ("order-triage -o 1a", "-o takes the name of a variable, not '1a'"),
    ("order-triage -o class", "-o takes the name of a variable, not 'class'"),
    ("order-triage -o a -o b", "-o is given twice"),
    ("order-triage -t soon", "-t takes a positive number of seconds, not 'soon'"),
    ("order-triage -t -3", "-t takes a positive number of seconds, not '-3'"),
    ("order-triage -t nan", "-t takes a positive number of seconds, not 'nan'"),
    ("order-triage --quiet=yes", "--quiet takes no value"),
    ("order-triage -p sku", "-p takes KEY=VALUE, not 'sku'"),
    ("order-triage -p a..b=1", "'a..b' is not a path"),
    ("order-triage -p a[0]=1", "only keys of objects can be set, not positions of lists (at a[0])"),
    ("order-triage -p a=NaN", "-p a: NaN is not a JSON value"),
    ("order-triage -p a={{nn}}", "name 'nn' is not defined"),
    ("order-triage 'a", "no closing quotation"),
    ("order-triage -p a={{ 1 + }}", "not a Python expression"),
    ("order-triage -p a={{ 1 b", "one workflow at a time: 'order-triage' or '1'?"),
    ('order-triage -p a={"b":1}', "quote it as a whole"),
    ("order-triage -p a=[1,", "is not JSON"),
    ("order-triage extra", "one workflow at a time: 'order-triage' or 'extra'?"),
    ("", "which workflow?"),
    ("order-triage -i custmer", "name 'custmer' is not defined; did you mean customer?"),
    ("order-triage -i strange", "a set has no JSON form (at strange.x)"),
    ("order-traige", "no workflow is called 'order-traige'; did you mean 'order-triage'?"),
    ("order-traige -q", "no workflow is called 'order-traige'; did you mean 'order-triage'?"),
]

BAD_BODIES = [
    ('{"sku": "A-1" "qty": 2}', "not JSON: ", "line 1, column 15"),
    ("sku: [A-1", "not YAML: a flow sequence is not closed", "line 1, column 6"),
    ("sku: A-1\nqty: 1\nsku: B", "duplicate key 'sku'", "line 3, column 1"),
    ('{"order": {"sku": 1, "sku": 2}}', "duplicate key 'sku'", "at order.sku"),
    ('{"qty": NaN}', "NaN is not a JSON value", "at qty"),
    ('{"qty": [1, 1e999]}', "beyond the range", "at qty[1]"),
    ("qty: .inf", ".inf is not a JSON value", "line 1, column 6"),
    ("sku: A-1\nqty: {{ quantty }}", "name 'quantty' is not defined; did you mean quantity?", "line 2, column 6"),
    ("qty: {{ 1/0 }}", "ZeroDivisionError", "line 1, column 6"),
    ("qty: {{ {1} }}", "a set has no JSON form", "line 1, column 6"),
    ("qty: {{ [1, {'a': float('nan')}] }}", "nan is not a JSON value (at [1].a)", "line 1, column 6"),
    ("qty: {{ 1 + }}", "not a Python expression", "line 1, column 6"),
    ("qty: {{ 1", "never closed", "line 1, column 6"),
    ('{"sku": "A-1", // the first\n "qty": 1}', "JSON has no comments", "line 1, column 16"),
    ("sku: A-1\nqty 3\n", "a key needs a colon and a blank after it", "line 2, column 6"),
    ("text: note: x", "put a text that holds ': ' in quotes", "line 1, column 11"),
    ("zip: 00123", "would lose its zeros", "line 1, column 6"),
    ("{'sku': 'A-1', 'coupon': None}", "None is Python's: write null", "line 1, column 26"),
    ("qty: {{ open_orders }}", "name 'open_orders' is not defined", "line 1, column 6"),
    ("sku A-1", "a text is not an input", "line 1, column 1"),
    ("sku: A-1 # {{ later\nqty: {{ quantity }}", "not closed in its line, where a comment ends", "line 1, column 12"),
    ('{ /* the first */ "sku": "A-1"}', "JSON has no comments", "line 1, column 3"),
    ('{"qty": 1, // the second\n "sku": "A-1"}', "JSON has no comments", "line 1, column 12"),
    ("qty: {{ broken }}", "in {{ broken }}: RuntimeError: it can't be read", "line 1, column 6"),
    ("sku: !!python/object:os.system x", "tag", "line 1, column 6"),
    ("{{ 'a' }}1: 1\na1: 2", "duplicate key 'a1'", "line 2, column 1"),
    ('{"{{ 1 }}": 1, "1": 2}', "duplicate key '1'", "at 1"),
    ("qty: {{ 1 +" + " }}" * 100, "not a Python expression", "line 1, column 6"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_a_bad_line_is_a_short_error_sends_nothing_and_loses_nothing(
    shell: InteractiveShell, line: str, message: str
) -> None:
    error = refused(shell, f"%%fgworkflow {line}\nsku: A-1\n")
    assert message in str(error)


@pytest.mark.parametrize(("body", "message", "place"), BAD_BODIES)
def test_a_bad_body_is_a_short_error_sends_nothing_and_loses_nothing(
    shell: InteractiveShell, body: str, message: str, place: str
) -> None:
    error = refused(shell, f"%%fgworkflow order-triage -o kept\n{body}\n")
    assert message in str(error)
    assert place in str(error)


@pytest.mark.parametrize(
    ("line", "body", "message"),
    [
        ("echo -p a=1", "[1]", "-p sets a key, but the input is not an object"),
        ("echo -i base", "[1]", "-i and a body or -p go together only where both are objects"),
        ("echo -i listed -p a=1", "", "-i and a body or -p go together only where both are objects"),
        ("echo --as python", "broken", "RuntimeError: it can't be read"),
    ],
)
def test_what_does_not_go_together_is_refused(shell: InteractiveShell, line: str, body: str, message: str) -> None:
    shell.user_ns.update(base={"a": 1}, listed=[1])
    assert message in str(refused(shell, f"%%fgworkflow {line}\n{body}\n"))


def refused(shell: InteractiveShell, text: str) -> fgnb.FgnbError:
    """Run a cell that must be refused before anything is sent, and return its error."""
    shell.user_ns.update(kept="old", quantity=1, customer=2, strange={"x": {1}}, broken=Broken())
    sent: list[str] = []
    service = shortcuts.current()._service
    assert service is not None
    run = service.engine.run

    async def watched(execution: Any) -> Any:
        sent.append(execution.id)
        return await run(execution)

    service.engine.run = watched  # type: ignore[method-assign]
    try:
        with capture_output():
            result = shell.run_cell(text)
    finally:
        del service.engine.run  # type: ignore[method-assign]
    error = result.error_in_exec
    assert isinstance(error, fgnb.FgnbError), error
    assert len(error._render_traceback_()) <= 4
    assert sent == []
    assert shell.user_ns["kept"] == "old"
    return error


def test_the_help_names_every_option_of_the_table() -> None:
    text = options.help_text()
    assert max(map(len, text.splitlines())) <= 100
    for option in options.OPTIONS:
        assert option.usage in text
        assert option.help in " ".join(text.split())
