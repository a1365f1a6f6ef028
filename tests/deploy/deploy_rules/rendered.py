"""An overlay as Kubernetes is told it, and where it can be asked about."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.deploy_tools import tool

ROOT = Path(__file__).resolve().parents[3]
SERVICE = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
RUNNING = ("Deployment", "StatefulSet", "DaemonSet")
WORKLOADS = (*RUNNING, "Job", "CronJob")

Resource = dict[str, Any]


@dataclass(frozen=True)
class Overlay:
    """What one overlay becomes. `name` is its folder's."""

    name: str
    resources: list[Resource]

    def of_kind(self, *kinds: str) -> list[Resource]:
        """All resources of these kinds."""
        return [one for one in self.resources if one["kind"] in kinds]

    def find(self, kind: str, name: str) -> Resource | None:
        """The resource of this kind and name."""
        return next((one for one in self.of_kind(kind) if one["metadata"]["name"] == name), None)

    def part_of(self, service: str, component: str, kind: str) -> list[Resource]:
        """What carries the labels of this part of a service."""
        return [
            one
            for one in self.of_kind(kind)
            if labels_of(one).get(SERVICE) == service and labels_of(one).get(COMPONENT) == component
        ]

    def containers(self) -> Iterator[tuple[Resource, Resource]]:
        """Every container with the workload it belongs to; those that run before the others too."""
        for workload in self.of_kind(*WORKLOADS):
            pod = pod_of(workload)["spec"]
            for container in (*pod.get("initContainers", ()), *pod["containers"]):
                yield workload, container


def labels_of(resource: Resource) -> dict[str, str]:
    """A resource's labels."""
    labels: dict[str, str] = resource.get("metadata", {}).get("labels") or {}
    return labels


def pod_of(workload: Resource) -> Resource:
    """The template of a workload's pods."""
    spec = workload["spec"]
    template: Resource = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
    return template


def called(resource: Resource) -> str:
    """How a message names it: `Deployment helpdesk-http`."""
    return f"{resource['kind']} {resource['metadata']['name']}"


def selects(selector: Resource, labels: dict[str, str]) -> bool:
    """Whether a label selector, with `matchLabels` and `matchExpressions`, takes these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or ():
        has = one["key"] in labels
        match one["operator"]:
            case "Exists" if not has:
                return False
            case "DoesNotExist" if has:
                return False
            case "In" if labels.get(one["key"]) not in one["values"]:
                return False
            case "NotIn" if labels.get(one["key"]) in one["values"]:
                return False
    return True


def rendered(folder: Path) -> Overlay:
    """What kustomize makes of a folder. Raises RuntimeError with kustomize's words."""
    done = subprocess.run([tool("kustomize"), "build", folder], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise RuntimeError(f"kustomize build {folder.relative_to(ROOT)}: {done.stderr.strip()}")
    return Overlay(folder.name, [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one])


def all_overlays() -> dict[str, Overlay]:
    """Every folder of deploy/k8s/overlays, rendered."""
    folders = sorted(path.parent for path in (ROOT / "deploy" / "k8s" / "overlays").glob("*/kustomization.yaml"))
    with ThreadPoolExecutor(2) as executor:
        return {overlay.name: overlay for overlay in executor.map(rendered, folders)}
