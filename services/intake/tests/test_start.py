"""What intake does not start with."""

import pytest
from pydantic import SecretStr

from anliegen.intake.main import open_resources
from anliegen.kit import Context
from anliegen.kit.errors import SettingsRefused


async def test_without_a_secret_for_ids_it_does_not_start(context: Context) -> None:
    context.settings = context.settings.model_copy(update={"identity_secret": SecretStr("")})
    with pytest.raises(SettingsRefused, match="ANLIEGEN_IDENTITY_SECRET"):
        async with open_resources(context):
            pass
