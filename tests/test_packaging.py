"""What is built of the project: the files of the wheel and the source distribution, and what they say."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from itertools import chain
from pathlib import Path

import pytest

import fgnb
from fgnb import yamltext
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel that was built from the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    package = {name for name in TRACKED if name.startswith("fgnb/")}
    assert {name for name in names if ".dist-info/" not in name} == package
    assert {"fgnb/py.typed", "fgnb/local/samples/order-triage.yaml"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert told["Version"] == fgnb.__version__
    assert told["Requires-Python"] == ">=3.11"
    assert str(told.get_payload()).startswith("# fgnb")


def test_the_source_distribution_holds_what_the_tests_need(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in TRACKED if name.startswith(("fgnb/", "tests/", "notebooks/"))}
    assert wanted | {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= names
    assert not any(name.startswith((".git/", ".ci/", ".venv")) for name in names)


def test_the_version_is_the_same_everywhere() -> None:
    citation = yamltext.loads((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == fgnb.__version__
    assert citation["license"] == PROJECT["license"]
    assert re.search(r"^## \[Unreleased\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)


def test_few_packages_come_along() -> None:
    required = [re.split(r"[><=\[]", each)[0] for each in PROJECT["dependencies"]]
    assert len(required) <= 17
    assert not {"jupyterlab", "matplotlib", "pyarrow", "distributed", "huaweicloudsdkcore", "notebook"} & set(required)
    assert PROJECT["optional-dependencies"]["lab"] == ["jupyterlab>=4.2"]


def test_every_import_of_the_package_is_a_dependency_or_an_extra() -> None:
    told = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
    known = {re.split(r"[><=\[]", each)[0].lower() for each in told}
    known |= {"numpy", "traitlets", "jsonpath_rfc9535", "iregexp_check", "ruamel", "distributed", "huaweicloudsdkcore"}
    for path in (ROOT / "fgnb").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for module in modules:
                top = module.partition(".")[0]
                if top != "fgnb" and top not in sys.stdlib_module_names:
                    assert {top.lower(), top.lower().replace("_", "-")} & known, f"{path}: {top}"


def test_templates_and_settings_are_yaml() -> None:
    for name in [".pre-commit-config.yaml", *(name for name in TRACKED if name.startswith(".github/"))]:
        assert yamltext.loads((ROOT / name).read_text("utf-8"))
