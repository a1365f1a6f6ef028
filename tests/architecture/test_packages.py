"""Third-party packages are named, pinned and hashed; nothing says where they come from."""

import sys
from importlib.metadata import packages_distributions

import pytest
from house_rules import hold, packages


@pytest.fixture(scope="module")
def providers() -> dict[str, list[str]]:
    return dict(packages_distributions())


def test_no_file_names_a_package_index(workspace) -> None:
    hold(packages.indexes_named(workspace))


def test_no_file_holds_a_path_of_one_machine(workspace) -> None:
    hold(packages.machine_paths(workspace))


def test_every_requirement_is_pinned(workspace) -> None:
    hold(packages.pins_missing(workspace))


def test_every_pin_has_a_hash(workspace) -> None:
    hold(packages.pins_without_hash(workspace))


def test_every_pin_is_asked_for(workspace) -> None:
    hold(packages.pins_unasked(workspace))


def test_our_names_are_nobody_elses(workspace, providers) -> None:
    hold(packages.names_clashing(workspace, providers))


def test_every_import_is_declared(workspace, providers) -> None:
    hold(packages.imports_undeclared(workspace, providers, sys.stdlib_module_names))


def test_every_part_of_the_kit_with_packages_of_its_own_is_named_by_its_extra(workspace) -> None:
    hold(packages.extras_unnamed(workspace))


@pytest.mark.parametrize("host", packages.INDEXES)
def test_named_index_is_found(toy, host) -> None:
    assert (
        len(list(packages.indexes_named(toy({"/docs/install.md": f"pip install --from https://files.{host}/x\n"}))))
        == 1
    )


@pytest.mark.parametrize("option", ["--index-" + "url https://mirror/simple", "index_" + 'url = "https://mirror"'])
def test_index_option_is_found(toy, option) -> None:
    assert list(packages.indexes_named(toy({"/pip.conf": option})))


@pytest.mark.parametrize("folder", packages.FOLDERS.split("|"))
def test_path_of_one_machine_is_found(toy, folder) -> None:
    broken = toy({"main.py": f"PLACE = '/{folder}/me'\n", "domain.py": f"PATH = 'x/{folder}/me'\n"})
    assert list(packages.machine_paths(broken)) == [
        "services/toy/anliegen/toy/main.py:1: an absolute path of one machine"
    ]


REQUIREMENTS = "# pins\nclick==8.1.0 \\\n    --hash=sha256:00\n"
PROJECT = "[project]\nname = 'anliegen-toy'\ndependencies = ['click>=8.0', 'anliegen-kit']\n"
FINE = {"/requirements.txt": REQUIREMENTS, "/services/toy/pyproject.toml": PROJECT}


def test_pinned_workspace_is_let_through(toy) -> None:
    fine = toy({**FINE, "api.py": "import click\nimport json\nfrom anliegen.kit import begin\nfrom . import store\n"})
    for rule in (packages.pins_missing, packages.pins_without_hash, packages.pins_unasked):
        assert list(rule(fine)) == []
    assert list(packages.imports_undeclared(fine, {"click": ["click"]}, {"json"})) == []
    assert list(packages.names_clashing(fine, {"anliegen": ["anliegen-toy"]})) == []


@pytest.mark.parametrize(
    ("rule", "requirements"),
    [
        (packages.pins_missing, ""),
        (packages.pins_missing, REQUIREMENTS.replace("8.1.0", "7.9")),
        (packages.pins_without_hash, "click==8.1.0\n"),
        (packages.pins_without_hash, "click>=8 --hash=sha256:00\n"),
        (packages.pins_unasked, REQUIREMENTS + "flask==3.0 \\\n    --hash=sha256:00\n"),
    ],
)
def test_broken_pin_is_found(toy, rule, requirements) -> None:
    assert list(rule(toy({**FINE, "/requirements.txt": requirements})))


def test_clashing_name_is_found(toy) -> None:
    fine = toy(FINE)
    assert list(packages.names_clashing(fine, {"anliegen": ["anliegen-toy", "somebody-elses"]}))
    broken = toy({**FINE, "/requirements.txt": "anliegen-toy==1.0 --hash=sha256:00\n"})
    assert list(packages.names_clashing(broken, {}))


def test_undeclared_import_is_found(toy) -> None:
    flask = {"flask": ["Flask"]}
    assert list(packages.imports_undeclared(toy({**FINE, "api.py": "import flask\n"}), flask, set()))
    assert not list(packages.imports_undeclared(toy({**FINE, "api.py": "import click\n"}), flask, set()))


@pytest.mark.parametrize(("name", "found"), [("pydantic", 0), ("pydantic_core", 0), ("fastapi", 1), ("structlog", 1)])
def test_events_that_import_more_than_pydantic_are_found(toy, name, found) -> None:
    events = {"/libs/events/pyproject.toml": "[project]\ndependencies = ['pydantic>=2']\n"}
    given = toy({**FINE, **events, "/libs/events/anliegen/events/base.py": f"import {name}\n"})
    providers = {"pydantic_core": ["pydantic-core"]}
    assert len(list(packages.imports_undeclared(given, providers, set()))) == found


@pytest.mark.parametrize(("named", "found"), [("anliegen-kit", 1), ("anliegen-kit[documents]", 0)])
def test_part_of_the_kit_whose_extra_is_not_named_is_found(toy, named, found) -> None:
    kit = "[project]\nname = 'anliegen-kit'\n[project.optional-dependencies]\ndocuments = ['typst']\n"
    given = toy(
        {
            "/libs/kit/pyproject.toml": kit,
            "/services/toy/pyproject.toml": PROJECT.replace("anliegen-kit", named),
            "letters.py": "from anliegen.kit.documents import document\n",
        }
    )
    assert len(list(packages.extras_unnamed(given))) == found
