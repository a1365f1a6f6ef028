"""Files stay short enough to be read at one sitting."""

from house_rules import hold, sizes


def test_no_file_is_too_long(workspace) -> None:
    hold(sizes.long_files(workspace))


def test_no_file_is_called_after_nothing(workspace) -> None:
    hold(sizes.vague_files(workspace))


def test_service_readmes_are_short(workspace) -> None:
    hold(sizes.long_readmes(workspace))


def test_long_files_are_found(toy) -> None:
    broken = toy(
        {
            "store.py": "x = 1\n" * 301,
            "domain.py": "x = 1\n" * 300,
            "/services/toy/tests/test_store.py": "x = 1\n" * 501,
            "/services/toy/tests/test_domain.py": "x = 1\n" * 500,
            "/services/toy/README.md": "line\n" * 61,
            "utils.py": "",
        }
    )
    assert list(sizes.long_files(broken)) == [
        "services/toy/anliegen/toy/store.py: 301 lines, at most 300",
        "services/toy/tests/test_store.py: 501 lines, at most 500",
    ]
    assert list(sizes.vague_files(broken)) == ["services/toy/anliegen/toy/utils.py: name it after what it holds"]
    assert list(sizes.long_readmes(broken)) == ["services/toy/README.md: 61 lines, at most 60"]
