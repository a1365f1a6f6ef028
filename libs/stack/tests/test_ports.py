import socket
from pathlib import Path

from anliegen.stack.ports import LOOPBACK, Ports, answers, any_free, is_free


def _taken() -> tuple[socket.socket, int]:
    listening = socket.create_server((LOOPBACK, 0))
    return listening, listening.getsockname()[1]


def test_preferred_port_is_chosen_and_kept(tmp_path: Path) -> None:
    preferred = any_free()
    assert Ports(tmp_path / "ports.json").choose("http", preferred=preferred) == preferred
    assert Ports(tmp_path / "ports.json").choose("http", preferred=any_free()) == preferred


def test_taken_port_gives_way_to_a_free_one(tmp_path: Path) -> None:
    listening, port = _taken()
    with listening:
        ports = Ports(tmp_path / "ports.json")
        ports.keep("http", port)
        chosen = ports.choose("http", preferred=port)
        assert chosen != port
        assert ports.moved == {"http": (port, chosen)}
        assert is_free(chosen)


def test_two_uses_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    first = ports.choose("http")
    assert ports.choose("outside", preferred=first) != first


def test_a_damaged_note_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert Ports(tmp_path / "ports.json").choose("http") > 0


def test_answers_only_where_somebody_listens() -> None:
    listening, port = _taken()
    with listening:
        assert answers(port)
        assert not is_free(port)
    assert not answers(port)
