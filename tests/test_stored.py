"""When the results of two runs of a notebook are the same, and what of them is stored."""

import io
from base64 import b64decode, b64encode

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests import stored

VIEW = "application/vnd.jupyter.widget-view+json"
ORDER = {"sku": "A-100", "qty": 3}


def bundle(**data):
    return new_output("display_data", {mime.replace("_", "/"): text for mime, text in data.items()})


def printed(text, name="stdout"):
    return new_output("stream", text=text, name=name)


def shown(value):
    return new_output("execute_result", value._repr_mimebundle_())


def same(one, other, *, measured=False, whole=False):
    return stored.told([one], measured=measured, whole=whole) == stored.told([other], measured=measured, whole=whole)


@pytest.fixture
def session(connect):
    """A session with the embedded service."""
    return connect("local", history="off")


@pytest.mark.parametrize("whole", [False, True])
def test_ids_times_and_durations_do_not_count(session, whole):
    one, other = (session.run("order-triage", ORDER) for _ in range(2))
    assert one != other
    assert same(shown(one), shown(other), whole=whole)
    assert same(shown(session.compare(one, other)), shown(session.compare(other, one)), whole=whole)
    first, second = (session.run("order-triage", ORDER | {"qty": 121}, check=False) for _ in range(2))
    assert same(shown(first), shown(second), whole=whole)
    assert not same(shown(first), shown(one), whole=whole)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (printed("9 runs in 0.31 ms, since 08:01:02\n"), printed("9  runs in 1 min 3 s, since 09:00:00")),
        (printed("http://127.0.0.1:1234: [Errno 61]"), printed("http://127.0.0.1:41234: [Errno 111]")),
        (bundle(text_plain="a…", text_html="<td>a b</td>"), bundle(text_plain="a b", text_html="<th>a  b</th>")),
        (bundle(text_html="<style>a</style>x"), bundle(text_html="<style>b</style>x")),
        (bundle(image_png="1234"), bundle(image_png="5678")),
    ],
)
def test_what_is_written_in_another_way_does_not_count(before, after):
    assert same(before, after)


@pytest.mark.parametrize("measured", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (printed("1 success"), printed("1 fail")),
        (printed("a"), bundle(text_plain="a")),
        (printed("a", "stdout"), printed("a", "stderr")),
        (new_output("error", ename="A", evalue="b"), new_output("error", ename="C", evalue="b")),
        (bundle(text_plain="a"), bundle(text_plain="a", text_html="a")),
        (bundle(text_html="<th>input.qty</th>"), bundle(text_html="<th>input.count</th>")),
        (bundle(text_html='<img alt="2 states">'), bundle(text_html='<img alt="2 nodes">')),
    ],
)
def test_another_word_or_another_kind_counts(before, after, measured):
    assert not same(before, after, measured=measured)


def test_a_number_counts_unless_it_is_measured():
    before, after = (printed(text) for text in ("a 149.7\nb 2", "b 3\na 149.8 1e-05"))
    assert not same(before, after)
    assert same(before, after, measured=True)


def test_what_stands_in_a_graph_counts(session):
    before, after = (shown(session.workflow(name).graph()) for name in ("order-triage", "batch-order"))
    for each in (before, after):
        each.data["text/html"] = each.data["text/html"][each.data["text/html"].index("<img") :]
        each.data["text/html"] = each.data["text/html"].replace("alt=", "title=")
    assert not same(before, after)


def test_what_needs_a_kernel_and_what_is_empty_is_not_stored():
    form = bundle(text_plain="form", text_html="<b>form</b>")
    form.data[VIEW] = {"model_id": "1"}
    form.metadata = {"isolated": True}
    empty = bundle(text_plain="", text_html="")
    stream = printed("a")
    assert stored.kept([form, empty, stream]) == [bundle(text_plain="form", text_html="<b>form</b>"), stream]
    assert VIEW in form.data  # as it was


def test_a_plot_is_stored_in_few_colours_once():
    from PIL import Image

    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGBA").save(buffer, "PNG")
    (few,) = stored.kept([bundle(image_png=b64encode(buffer.getvalue()).decode())])
    assert len(Image.open(io.BytesIO(b64decode(few.data["image/png"]))).getcolors()) <= stored.COLOURS
    assert stored.kept([few]) == [few]


def test_storing_leaves_what_says_the_same(tmp_path):
    path = tmp_path / "n.ipynb"
    cells = [new_code_cell("1", id=name, metadata={"tags": ["a"]}) for name in ("same", "new", "styled", "plot")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": ""}}), path)

    def store(*outputs):
        results = zip(cells, outputs, range(7, 11), strict=True)
        stored.store(path, {cell.id: ([output], count) for cell, output, count in results})
        return nbformat.read(path, as_version=4)

    first = store(
        new_output("execute_result", {"text/plain": "0.1 s"}), printed("a"),
        bundle(text_html="<b>x</b>"), bundle(image_png="1234"),
    )  # fmt: skip
    assert [cell.execution_count for cell in first.cells] == [7, 8, 9, 10]
    assert first.cells[0].outputs[0].execution_count == 7
    written = path.read_bytes()
    store(new_output("execute_result", {"text/plain": "0.2 s"}), *(first.cells[n].outputs[0] for n in (1, 2, 3)))
    assert path.read_bytes() == written
    third = store(
        new_output("execute_result", {"text/plain": "0.3 s"}), printed("b"),
        bundle(text_html="<i>x</i>"), bundle(image_png="5678"),
    )  # fmt: skip
    told = [cell.outputs[0].get("text") or list(cell.outputs[0].data.values()) for cell in third.cells]
    assert told == [["0.1 s"], "b", ["<i>x</i>"], ["5678"]]
    assert third.metadata == first.metadata
