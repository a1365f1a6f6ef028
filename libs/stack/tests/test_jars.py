import gc
import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from anliegen.stack import jars as jars_module
from anliegen.stack.errors import StackError
from anliegen.stack.jars import Jar, Maven, checksum, fetch_jars, kafka_folder, listed

CONTENT = b"right to the last bit"
JAR = Jar("org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest())


class Source:
    """Gives one content after the other, as a network that gets better might."""

    def __init__(self, folder: Path, *contents: bytes) -> None:
        self.folder = folder
        self.contents = list(contents)
        self.asked = 0

    def __call__(self, jar: Jar) -> Path:
        self.asked += 1
        path = self.folder / jar.file_name
        if not path.exists():
            path.write_bytes(self.contents.pop(0))
        return path


class Quiet(SimpleHTTPRequestHandler):
    broken = 0

    def do_GET(self) -> None:
        if Quiet.broken and self.path.endswith(".jar"):
            Quiet.broken -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:5])  # and then the line is cut
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANLIEGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_listed_jar_has_coordinate_and_checksum() -> None:
    jars = listed()
    assert len({jar.file_name for jar in jars}) == len(jars) == 43
    assert all(len(bytes.fromhex(jar.sha256)) == 32 and jar.coordinate.count(":") == 2 for jar in jars)


def test_jar_is_placed_complete(tmp_path: Path) -> None:
    heard = []
    folder = fetch_jars(lambda done, total: heard.append((done, total)), jars=[JAR], source=Source(tmp_path, CONTENT))
    assert folder == kafka_folder([JAR])
    assert [path.name for path in folder.iterdir()] == ["thing-1.0.jar"]
    assert checksum(folder / "thing-1.0.jar") == JAR.sha256
    assert heard == [(1, 1)]


def test_jar_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    source = Source(tmp_path, CONTENT)
    fetch_jars(jars=[JAR], source=source)
    fetch_jars(jars=[JAR], source=source)
    assert source.asked == 1


def test_wrong_bytes_are_deleted_and_fetched_once_more(tmp_path: Path) -> None:
    source = Source(tmp_path, b"half of it", CONTENT)
    folder = fetch_jars(jars=[JAR], source=source)
    assert source.asked == 2
    assert (folder / "thing-1.0.jar").read_bytes() == CONTENT


def test_bytes_that_stay_wrong_are_refused(tmp_path: Path) -> None:
    source = Source(tmp_path, b"wrong", b"wrong again", CONTENT)
    with pytest.raises(
        StackError, match=r"org\.example:thing:1\.0 was fetched twice and both times its bytes were wrong"
    ):
        fetch_jars(jars=[JAR], source=source)
    assert source.asked == 2
    assert not list(kafka_folder([JAR]).iterdir())
    assert not (tmp_path / JAR.file_name).exists()


def test_jar_that_was_changed_on_disk_is_replaced(tmp_path: Path) -> None:
    folder = fetch_jars(jars=[JAR], source=Source(tmp_path, CONTENT))
    (folder / "thing-1.0.jar").unlink()
    (folder / "thing-1.0.jar").write_bytes(b"tampered with")
    fetch_jars(jars=[JAR], source=Source(tmp_path, CONTENT))
    assert (folder / "thing-1.0.jar").read_bytes() == CONTENT


def test_offline_without_jars_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("ANLIEGEN_MAVEN_REPOSITORY", f"http://127.0.0.1:{port}/")
    monkeypatch.setenv("M2_REPO", str(tmp_path / "maven"))
    with pytest.raises(StackError, match=r"be online for that, or name a mirror in ANLIEGEN_MAVEN_REPOSITORY"):
        fetch_jars(jars=[JAR], source=Maven())


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    path = tmp_path / "mirror" / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv("M2_REPO", str(tmp_path / "maven"))
    monkeypatch.setattr(jars_module, "PAUSES", (0.01, 0.01))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "mirror"))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        monkeypatch.setenv("ANLIEGEN_MAVEN_REPOSITORY", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()
        serving.join()
        Quiet.broken = 0


@pytest.mark.usefixtures("mirror")
def test_mirror_is_asked_for_the_exact_coordinate() -> None:
    assert (fetch_jars(jars=[JAR], source=Maven()) / "thing-1.0.jar").read_bytes() == CONTENT


@pytest.mark.usefixtures("mirror")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # jgo leaves a refused answer open
def test_jar_that_the_repository_does_not_have_is_named() -> None:
    with pytest.raises(StackError, match=r"org\.example:absent:1\.0 is not in the repository"):
        fetch_jars(jars=[Jar("org.example:absent:1.0", JAR.sha256)], source=Maven())
    gc.collect()


@pytest.mark.usefixtures("mirror")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # jgo leaves a cut answer open
def test_line_that_is_cut_is_tried_again_from_the_beginning() -> None:
    Quiet.broken = 2
    assert (fetch_jars(jars=[JAR], source=Maven()) / "thing-1.0.jar").read_bytes() == CONTENT
    assert Quiet.broken == 0
    gc.collect()


@pytest.mark.usefixtures("mirror")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # jgo leaves a cut answer open
def test_line_that_stays_cut_is_an_error_that_leaves_no_half(tmp_path: Path) -> None:
    Quiet.broken = 3
    with pytest.raises(StackError, match="could not be fetched"):
        fetch_jars(jars=[JAR], source=Maven())
    assert not list((tmp_path / "maven").rglob("*.jar"))
    gc.collect()
