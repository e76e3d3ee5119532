"""The rules of the house: who imports whom, how long a module may be, what a name gives away."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fgnb
from tests.conftest import ROOT, unmeasured

PACKAGE = ROOT / "fgnb"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "pandas", "numpy", "IPython", "ipywidgets", "httpx", "starlette", "uvicorn", "ruamel", "msgspec", "sqlite3",
    "asyncio", "click", "rich",
}  # fmt: skip


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=unmeasured(), capture_output=True, text=True, check=True).stdout.strip()


def test_arrows_point_down_only():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_has_one_subject_and_at_most_400_lines(module):
    text = module.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    subject = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    assert subject
    assert subject.endswith((".", ":", "?"))


def test_importing_fgnb_imports_nothing_heavy():
    loaded = python("import sys, fgnb; print(*{name.partition('.')[0] for name in sys.modules})").split()
    assert "fgnb" in loaded
    assert HEAVY & set(loaded) == set()


def test_the_lower_floors_do_without_the_upper_ones_libraries():
    code = (
        "import sys, fgnb.local.service, fgnb.client.client; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = set(python(code).split())
    assert "msgspec" in loaded
    assert {"pandas", "numpy", "IPython", "ipywidgets", "starlette", "uvicorn", "httpx"} & loaded == set()


@pytest.mark.parametrize("public", fgnb.__all__)
def test_every_public_name_is_there(public):
    assert getattr(fgnb, public) is not None


def test_nothing_is_public_by_accident():
    assert dir(fgnb) == sorted([*fgnb.__all__, "__version__"])
    assert sorted(fgnb.__all__) == fgnb.__all__
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        fgnb.nope  # noqa: B018


def test_every_hook_leads_to_something():
    from importlib import import_module

    from fgnb.wiring import hooks

    for target in hooks.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_nothing_refers_to_a_machine_of_ours():
    ours = re.compile("|".join(["[.][.]/" + "shared", "/wo" + "rk/", "/ro" + "ot/", "/tmp/" + "venv", "/ho" + "me/"]))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [ROOT / line for line in listed.stdout.splitlines()]
    assert len(files) > 50
    found = {}
    for file in files:
        if file.is_file() and (match := ours.search(file.read_bytes().decode("utf-8", "replace"))):
            found[name(file)] = match[0]
    assert found == {}
