"""The README's own code runs, and what it leaves to the notebooks' texts is there and true."""

import re
from pathlib import Path

import msgspec
import nbformat
import pytest

from fgnb import yamltext
from fgnb.wire import STATE_KINDS, Branch

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(kind: str, text: str = README) -> list[str]:
    """Return the fenced blocks of a kind in a text of Markdown."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def told(notebook: str) -> str:
    """Return the Markdown of a notebook."""
    cells = nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_the_python_and_yaml_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fgnb.shortcuts._default", None)  # as in a new process
    (definition,) = blocks("yaml")
    (profiles,) = blocks("toml", told("cloud"))
    Path("pricing.yaml").write_text(definition)
    keys = tmp_path / "credentials"
    keys.write_text("[basic]\nak = ABCD\nsk = efgh\n")
    keys.chmod(0o600)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(keys))
    names: dict[str, object] = {}
    for code in blocks("python"):
        if "profile=" in code:
            Path("fgnb.toml").write_text(profiles)
        exec(code, names)
    fgnb = names["fgnb"]
    assert fgnb.connect().connection == "http://127.0.0.1:9000"  # type: ignore[attr-defined]
    prod = fgnb.connect(profile="prod")  # type: ignore[attr-defined]
    assert prod.connection == "https://functiongraph.cn-north-4.myhuaweicloud.com"
    fgnb.connect("local")  # type: ignore[attr-defined]
    assert fgnb.run("pricing", {"qty": 3}).output == {"total": 15}  # type: ignore[attr-defined]


def test_the_fields_of_the_states_in_the_notebook_are_those_that_are_read() -> None:
    (kinds,) = blocks("yaml", told("own-workflow"))
    states = yamltext.loads(kinds)
    assert [state["type"] for state in states] == ["Switch", "Parallel", "Foreach", "SubFlow"]
    for state in states:
        known = {field.encode_name for field in msgspec.structs.fields(STATE_KINDS[state["type"]])}
        assert state.keys() - {"type"} <= known
    for branch in states[1]["branches"]:
        assert branch.keys() <= {field.encode_name for field in msgspec.structs.fields(Branch)}


def test_the_two_commands_stand_alone_in_the_first_two_shell_blocks() -> None:
    first, second = blocks("sh")
    assert first == "python3 -m pip install . && python3 -m fgnb demo\n"
    assert second == "python3 -m pip install '.[test]' && python3 -m pytest\n"


def test_links_lead_somewhere_and_pictures_are_small() -> None:
    links = re.findall(r"\]\(([^)#]*)\)", README)
    assert len(links) > 12
    for link in links:
        assert "://" not in link
        assert (ROOT / link).is_file(), link
        if link.endswith(".png"):
            assert (ROOT / link).stat().st_size < 100_000
    notebooks = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= set(links)
