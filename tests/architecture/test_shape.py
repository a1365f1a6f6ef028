"""Every service has the same shape."""

import importlib.util

import pytest
from house_rules import doors, hold, names, shape, sizes
from house_rules.workspace import REPOSITORY, Workspace

WHOLE = {
    **{f"{layer}.py": "" for layer in shape.LAYERS},
    "__init__.py": "",
    "py.typed": "",
    "migrations/0001_create_toys.sql": "CREATE TABLE toys (toy_id uuid);\n",
    "/services/toy/README.md": "# Toy\n\n" + "\n".join(shape.HEADINGS) + "\n`toys`\n",
    **{f"/services/toy/tests/test_{layer}.py": "" for layer in shape.TESTED},
    "/services/toy/tests/test_handlers.py": "\n".join(f"async def {name}(x):\n    pass" for name in shape.EVERYWHERE),
}


@pytest.mark.parametrize("rule", shape.RULES, ids=lambda rule: rule.__name__)
def test_workspace_keeps_rule(workspace, rule) -> None:
    assert workspace.services
    hold(rule(workspace))


def test_whole_service_is_let_through(toy) -> None:
    fine = toy(WHOLE)
    for rule in shape.RULES:
        assert list(rule(fine)) == []


@pytest.mark.parametrize("missing", sorted(set(WHOLE) - {"/services/toy/tests/test_handlers.py"}))
def test_missing_file_is_found(toy, missing) -> None:
    broken = toy({name: text for name, text in WHOLE.items() if name != missing})
    assert [*shape.missing_files(broken), *shape.missing_tests(broken)]


@pytest.mark.parametrize("name", shape.EVERYWHERE)
def test_missing_test_is_found(toy, name) -> None:
    tests = WHOLE["/services/toy/tests/test_handlers.py"]
    broken = toy({**WHOLE, "/services/toy/tests/test_handlers.py": tests.replace(name, "test_something_else_entirely")})
    assert list(shape.missing_tests(broken)) == [f"services/toy/tests: {name} is missing"]


def test_layer_as_a_package_is_let_through(toy) -> None:
    files = {
        name: text for name, text in WHOLE.items() if name not in {"store.py", "/services/toy/tests/test_store.py"}
    }
    fine = toy({**files, "store/toys.py": "", "/services/toy/tests/test_store_toys.py": ""})
    assert [*shape.missing_files(fine), *shape.missing_tests(fine)] == []


@pytest.mark.parametrize(
    "project",
    [
        "[project]\nname = 'toy'\n",
        "[project]\nname = 'anliegen-toy'\ndescription = 'Toy.'\n",
        "[project]\nname = 'anliegen-toy'\n"
        "[project.entry-points.'anliegen.services']\ntoy = 'anliegen.toy.main:service'\n",
    ],
)
def test_misdeclared_project_is_found(toy, project) -> None:
    assert list(shape.projects_misdeclared(toy({**WHOLE, "/services/toy/pyproject.toml": project})))


@pytest.mark.parametrize("readme", ["# Toy\n", "# Toy\n" + "\n".join(shape.HEADINGS[1:]) + "\n`toys`\n"])
def test_incomplete_readme_is_found(toy, readme) -> None:
    assert list(shape.readmes_incomplete(toy({**WHOLE, "/services/toy/README.md": readme})))


def test_table_that_no_readme_names_is_found(toy) -> None:
    broken = toy({**WHOLE, "migrations/0002_create_dolls.sql": "CREATE TABLE dolls (doll_id uuid);\n"})
    assert list(shape.readmes_incomplete(broken)) == ["services/toy/README.md: the table `dolls` is not named"]


def test_begun_service_keeps_every_rule(tmp_path) -> None:
    spec = importlib.util.spec_from_file_location("new_service", REPOSITORY / "scripts" / "new_service.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    written = script.begin("parcel-tracing", root=tmp_path)
    assert not any("new_service" in path.read_text() or "new-service" in path.read_text() for path in written)
    begun = Workspace(tmp_path)
    assert [service.package for service in begun.services] == ["parcel_tracing"]
    for rule in [*shape.RULES, *doors.RULES, *names.RULES, *sizes.RULES]:
        hold(rule(begun))
    with pytest.raises(FileExistsError):
        script.begin("parcel-tracing", root=tmp_path)
    with pytest.raises(ValueError, match="not a name"):
        script.begin("Parcel_Tracing", root=tmp_path)
