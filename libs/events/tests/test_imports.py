"""Services import this library for pydantic's price."""

import subprocess
import sys

ALLOWED = {"anliegen", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
MODULES = ("", ".builders", ".codec", ".documentation", ".envelope", ".registry", ".releases", ".schemas", ".topics")


def test_library_imports_pydantic_and_nothing_else() -> None:
    imports = "; ".join(f"import anliegen.events{name}" for name in MODULES)
    program = (
        f"import sys; before = set(sys.modules); {imports}; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    found = {name for name in run.stdout.split() if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert found - ALLOWED == set()
    assert "pydantic" in found


def test_commands_run_without_a_warning() -> None:
    for name in ("schemas", "documentation"):
        command = [sys.executable, "-W", "error", "-m", f"anliegen.events.{name}", "--check"]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")
