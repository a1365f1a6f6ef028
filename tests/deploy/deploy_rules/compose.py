"""docker-compose.yml: the same services, told the same things, with the same care."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from anliegen.kit.settings import PREFIX

from .environment import NOT_SETTINGS
from .product import Product

Compose = dict[str, Any]
SECONDS_MORE = 10


def read(path: Path) -> Compose:
    """The file, with its anchors and merges resolved."""
    content: Compose = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    return content


def every_service_runs(compose: Compose, product: Product) -> Iterator[str]:
    """Each service of the catalogue has its three containers, and they run what they are called after."""
    for service in product.services:
        for name, command in ((f"{service}-migrate", "migrate"), (service, "serve"), (f"{service}-worker", "work")):
            found = compose["services"].get(name)
            if found is None:
                yield f"{name} is missing"
                continue
            # Without a command the image serves.
            if (found.get("command") or ["serve"])[0] != command:
                yield f"{name} does not run `{command}`"
            if f"/{service}:" not in found.get("image", ""):
                yield f"{name} runs the image {found.get('image')}"
            if command == "migrate":
                continue
            if "healthcheck" not in found:
                yield f"{name} is not asked whether it is ready"
            if "restart" not in found:
                yield f"{name} stays down after a crash"
            if f"{service}-migrate" not in found.get("depends_on", {}):
                yield f"{name} does not wait for its migration"


def stopping(compose: Compose, product: Product) -> Iterator[str]:
    """A container has the time that the settings say, and ten seconds more."""
    for name, service in product.services.items():
        for container in (name, f"{name}-worker"):
            given = str(compose["services"].get(container, {}).get("stop_grace_period", "10s"))
            needed = service.settings.model_fields["shutdown_seconds"].default + SECONDS_MORE
            if not given.endswith("s") or float(given[:-1]) < needed:
                yield f"{container} is killed after {given} and needs {needed:g} s to stop"


def environment(compose: Compose, product: Product) -> Iterator[str]:
    """Each ANLIEGEN_ variable is a setting of some service."""
    known = set(product.variables(None)) | NOT_SETTINGS
    ours = {f"{service}{part}" for service in product.services for part in ("", "-worker", "-migrate")}
    for name in sorted(ours & set(compose["services"])):
        for variable in compose["services"][name].get("environment", {}):
            if variable.startswith(PREFIX) and variable not in known:
                yield f"{name}: no setting is called {variable}"


def least_rights(compose: Compose, product: Product) -> Iterator[str]:
    """Our containers keep no capabilities and write nothing to their image."""
    for name in (f"{service}{part}" for service in product.services for part in ("", "-worker", "-migrate")):
        found = compose["services"].get(name, {})
        if found.get("read_only") is not True or found.get("cap_drop") != ["ALL"]:
            yield f"{name} may write to its image or keeps capabilities"


def images(compose: Compose, product: Product) -> Iterator[str]:
    """Each image has a version, and is not called after what is the latest."""
    for name, found in compose["services"].items():
        image = str(found.get("image", ""))
        named = image.removeprefix("${").partition(":-")[2].removesuffix("}") if image.startswith("${") else image
        if ":" not in (named or image).rpartition("/")[2] or "latest" in image:
            yield f"{name}: the image {image} has no version"


def published(compose: Compose, product: Product) -> Iterator[str]:
    """What is reachable from outside the containers is reachable from this machine alone."""
    for name, found in compose["services"].items():
        for port in found.get("ports", ()):
            if not str(port).startswith("127.0.0.1:"):
                yield f"{name} publishes {port} to everybody who reaches this machine"


RULES = (every_service_runs, stopping, environment, least_rights, images, published)
