"""The environment of a process is what its settings read: nothing unknown, nothing missing, nothing that is refused."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from pydantic import ValidationError

from anliegen.kit.command_line import ENVIRONMENTS
from anliegen.kit.service import Service
from anliegen.kit.settings import PREFIX, SECRETS_DIR, load

from .product import Product
from .rendered import Overlay, Resource, called, pod_of
from .workloads import PARTS

NOT_SETTINGS = {SECRETS_DIR, ENVIRONMENTS, f"{PREFIX}SERVICES"}
"""What tells where settings are and which services a process is; the image says the latter."""
DUMMIES = {"database_url": "postgresql://{role}@localhost/{database}", "identity_secret": "ab" * 32}


def told(overlay: Overlay, workload: Resource) -> tuple[dict[str, str], set[str]]:
    """A workload's environment, with ConfigMaps read, and the names of the files in its folder of secrets."""
    pod = pod_of(workload)["spec"]
    container = pod["containers"][0]
    environment: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found = overlay.find("ConfigMap", source.get("configMapRef", {}).get("name", ""))
        environment |= (found or {}).get("data", {})
    for one in container.get("env", ()):
        environment[one["name"]] = str(one.get("value", "0"))  # what comes from the pod's own fields is an ordinal
    folder = environment.get(SECRETS_DIR)
    mounted = {one["name"] for one in container.get("volumeMounts", ()) if one["mountPath"] == folder}
    files = {
        item["path"]
        for volume in pod.get("volumes", ())
        if volume["name"] in mounted
        for source in volume.get("projected", {}).get("sources", ())
        for item in source.get("secret", {}).get("items", ())
    }
    return environment, files


def environment_is_settings(overlay: Overlay, product: Product) -> Iterator[str]:
    """Each ANLIEGEN_ variable and each file of a secret is a field of the service's settings, which accept them."""
    everyone = product.variables(None)
    for name, service in product.services.items():
        own = product.variables(service)
        for component, kind in PARTS.items():
            for workload in overlay.part_of(name, component, kind):
                environment, files = told(overlay, workload)
                given = {one for one in environment if one.startswith(PREFIX)} - NOT_SETTINGS
                # What all are told may hold a setting of another service, which the others leave alone.
                for variable in sorted(given - set(everyone)):
                    yield f"{called(workload)}: no setting is called {variable}"
                for file in sorted(files):
                    if file.startswith(PREFIX.lower()) and file.upper() not in own:
                        yield f"{called(workload)}: no setting is called as the secret's file {file}"
                yield from _refused(workload, service, environment, files)


def _refused(workload: Resource, service: Service, environment: dict[str, str], files: set[str]) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        for file in files:
            field = file.removeprefix(f"{PREFIX.lower()}{service.package}_").removeprefix(PREFIX.lower())
            (Path(folder) / file).write_text(DUMMIES.get(field, "dummy"))
        known = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        with patch.dict(os.environ, {**known, **environment, SECRETS_DIR: folder}, clear=True):
            try:
                load(service.settings, service.package)
            except ValidationError as refused:
                for error in refused.errors(include_input=False, include_url=False):
                    field = ".".join(str(part) for part in error["loc"])
                    yield f"{called(workload)}: the settings of {service.name} refuse it: {field}: {error['msg']}"


RULES = (environment_is_settings,)
