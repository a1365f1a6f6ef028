"""Trains the model when the package is built, where it is not there or follows from other text than what lies here."""

import os
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TrainModel(BuildHookInterface[Any]):
    """Runs the training in a process of its own, which finds its modules in this folder."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - what hatchling calls
        environment = os.environ | {"PYTHONPATH": self.root}
        subprocess.run(
            [sys.executable, "-m", "anliegen.triage.model.training"], cwd=self.root, env=environment, check=True
        )
