"""What the rules are held against: the rendered overlays and what the code says."""

import pytest
from deploy_rules.product import Product, the_product
from deploy_rules.rendered import Overlay, all_overlays

from scripts.deploy_tools import fetch


@pytest.fixture(scope="session")
def tools() -> None:
    """Every tool, fetched now where that was not done before. Raises ToolMissing."""
    fetch()


@pytest.fixture(scope="session")
def overlays(tools: None) -> dict[str, Overlay]:
    """Every overlay, by the name of its folder."""
    return all_overlays()


@pytest.fixture(scope="session")
def product() -> Product:
    """The services that are installed."""
    return the_product()
