"""Which services a command is for."""

from click.testing import CliRunner

from anliegen.kit.cli import main


def test_image_says_its_service_where_no_name_is_given() -> None:
    said = CliRunner().invoke(main, ["migrate"], env={"ANLIEGEN_SERVICES": "parcel-tracing"})
    assert said.exit_code == 2
    assert "Asked for 'parcel-tracing'" in said.output


def test_name_goes_before_what_the_image_says() -> None:
    said = CliRunner().invoke(main, ["migrate", "nothing"], env={"ANLIEGEN_SERVICES": "parcel-tracing"})
    assert "Asked for 'nothing'" in said.output


def test_no_name_anywhere_is_said() -> None:
    said = CliRunner().invoke(main, ["migrate"], env={"ANLIEGEN_SERVICES": ""})
    assert "Name services, or say --all" in said.output
