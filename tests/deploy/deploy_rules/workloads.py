"""What is the same for all services: both processes and the migration, probes, budgets, limits, rights, images."""

import re
from collections.abc import Iterator

from .product import Product
from .rendered import COMPONENT, RUNNING, SERVICE, WORKLOADS, Overlay, called, labels_of, pod_of, selects

PARTS = {"http": "Deployment", "worker": "StatefulSet", "migrate": "Job"}
PROBES = {"startupProbe": "/startupz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
COMMANDS = {"http": "serve", "worker": "work", "migrate": "migrate"}
UID = 10001
WRITES_BESIDE_ITSELF = ("apache/kafka:",)
"""Images of others whose start script writes into the image: Kafka's writes the configuration it was given."""


def every_service_runs(overlay: Overlay, product: Product) -> Iterator[str]:
    """Each service of the catalogue has its Deployment for HTTP, its StatefulSet of workers and its migration."""
    for service in product.services:
        for component, kind in PARTS.items():
            found = overlay.part_of(service, component, kind)
            if len(found) != 1:
                yield f"{service} has {len(found) or 'no'} {kind} for {component}"
                continue
            container = pod_of(found[0])["spec"]["containers"][0]
            if (container.get("args") or [""])[0] != COMMANDS[component]:
                yield f"{called(found[0])} does not run `{COMMANDS[component]}`"
            if "command" in container:
                yield f"{called(found[0])} replaces the image's entry point: a shell would keep the signal to stop"
            image = re.sub(r"(@.*|:[^/]*)$", "", container["image"])
            if image != f"anliegen/{service}":
                yield f"{called(found[0])} runs the image {image}, not anliegen/{service}"


def no_unknown_service(overlay: Overlay, product: Product) -> Iterator[str]:
    """Nothing is left of a service that is not in the catalogue any more."""
    for resource in overlay.of_kind(*WORKLOADS):
        name = labels_of(resource).get(SERVICE)
        if labels_of(resource).get(COMPONENT) in PARTS and name not in product.services:
            yield f"{called(resource)} belongs to {name}, which is no service of the catalogue"


def containers_are_probed(overlay: Overlay, product: Product) -> Iterator[str]:
    """Each process of a service is asked whether it has started, is ready and lives, at a port it has."""
    for service in product.services:
        for component in ("http", "worker"):
            for workload in overlay.part_of(service, component, PARTS[component]):
                for container in pod_of(workload)["spec"]["containers"]:
                    ports = {port["name"] for port in container.get("ports", ())}
                    for probe, path in PROBES.items():
                        asked = container.get(probe, {}).get("httpGet", {})
                        if asked.get("path") != path:
                            yield f"{called(workload)} has no {probe} at {path}"
                        elif asked["port"] not in ports:
                            yield f"{called(workload)}: its {probe} asks port {asked['port']}, which is not there"


def budgets(overlay: Overlay, product: Product) -> Iterator[str]:
    """One PodDisruptionBudget holds for each process of a service, and lets a node be drained."""
    for service in product.services:
        for component in ("http", "worker"):
            for workload in overlay.part_of(service, component, PARTS[component]):
                labels = labels_of(pod_of(workload))
                found = [
                    one for one in overlay.of_kind("PodDisruptionBudget") if selects(one["spec"]["selector"], labels)
                ]
                if len(found) != 1:
                    yield f"{called(workload)} has {len(found) or 'no'} PodDisruptionBudget"
                elif found[0]["spec"].get("maxUnavailable") != 1:
                    yield f"{called(found[0])} says no `maxUnavailable: 1`: a node could not be drained, or all pods go"


def network_policies(overlay: Overlay, product: Product) -> Iterator[str]:
    """Nothing is allowed by default, and each pod of ours has a policy that says what it may do."""
    policies = overlay.of_kind("NetworkPolicy")
    closed = [
        one
        for one in policies
        if not one["spec"].get("podSelector")
        and set(one["spec"].get("policyTypes", ())) == {"Ingress", "Egress"}
        and not one["spec"].get("ingress")
        and not one["spec"].get("egress")
    ]
    if not closed:
        yield "No NetworkPolicy denies everything that none allows"
    for workload in overlay.of_kind(*WORKLOADS):
        labels = labels_of(pod_of(workload))
        own = [
            one for one in policies if one["spec"].get("podSelector") and selects(one["spec"]["podSelector"], labels)
        ]
        if not own:
            yield f"{called(workload)} has no NetworkPolicy of its own: it can neither be asked nor ask"


def limits(overlay: Overlay, product: Product) -> Iterator[str]:
    """Each container says what it needs and how much memory it may take; CPU is not limited."""
    for workload, container in overlay.containers():
        resources = container.get("resources", {})
        for need in ("cpu", "memory"):
            if need not in resources.get("requests", {}):
                yield f"{called(workload)}: container {container['name']} requests no {need}"
        if "memory" not in resources.get("limits", {}):
            yield f"{called(workload)}: container {container['name']} has no limit of memory"
        if "cpu" in resources.get("limits", {}):
            yield f"{called(workload)}: container {container['name']} limits CPU, which only makes it late"


def least_rights(overlay: Overlay, product: Product) -> Iterator[str]:
    """The namespace enforces the restricted Pod Security standard; no pod needs more, or knows the cluster."""
    for namespace in overlay.of_kind("Namespace"):
        if labels_of(namespace).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{called(namespace)} does not enforce the restricted Pod Security standard"
    for workload in overlay.of_kind(*WORKLOADS):
        pod = pod_of(workload)["spec"]
        for field in ("automountServiceAccountToken", "enableServiceLinks"):
            if pod.get(field) is not False:
                yield f"{called(workload)} does not say `{field}: false`"
        if pod.get("securityContext", {}).get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{called(workload)} has no seccomp profile"
    for workload, container in overlay.containers():
        pod = pod_of(workload)["spec"].get("securityContext", {})
        own = {**pod, **container.get("securityContext", {})}
        where = f"{called(workload)}: container {container['name']}"
        if own.get("runAsNonRoot") is not True:
            yield f"{where} may run as root"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{where} may gain rights"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            yield f"{where} keeps capabilities"
        writes = container["image"].startswith(WRITES_BESIDE_ITSELF)
        if own.get("readOnlyRootFilesystem") is not True and not writes:
            yield f"{where} may write to its image's files"
        if container["image"].startswith("anliegen/") and own.get("runAsUser") != UID:
            yield f"{where} does not run as {UID}"


def images(overlay: Overlay, product: Product) -> Iterator[str]:
    """Each image has a version, and none names a registry: whoever runs this says theirs."""
    for workload, container in overlay.containers():
        image = container["image"]
        first, _, rest = image.partition("/")
        if rest and ("." in first or ":" in first):
            yield f"{called(workload)}: the image {image} names a registry"
        if "@sha256:" not in image and re.search(r":[^/]+$", image) is None:
            yield f"{called(workload)}: the image {image} has no version, so it is whatever is the latest"
        elif image.endswith(":latest"):
            yield f"{called(workload)}: the image {image} is whatever is the latest"


def shutdown(overlay: Overlay, product: Product) -> Iterator[str]:
    """A pod has the time it needs to stop: preStop, then draining, then finishing, then ten seconds more."""
    for name, service in product.services.items():
        defaults = {
            field: service.settings.model_fields[field].default for field in ("drain_seconds", "shutdown_seconds")
        }
        for component in ("http", "worker"):
            for workload in overlay.part_of(name, component, PARTS[component]):
                pod = pod_of(workload)["spec"]
                container = pod["containers"][0]
                told = {one["name"]: one.get("value") for one in container.get("env", ())}
                drain, finish = (
                    float(told.get(f"ANLIEGEN_{field.upper()}") or default) for field, default in defaults.items()
                )
                waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
                if component == "http" and not waits:
                    yield f"{called(workload)} stops while proxies still send it requests: it has no preStop"
                needed = waits + (drain if component == "http" else 0) + finish + 10
                given = pod.get("terminationGracePeriodSeconds", 30)
                if given < needed:
                    yield f"{called(workload)} is killed after {given} s and needs {needed:g} s to stop"


def spread(overlay: Overlay, product: Product) -> Iterator[str]:
    """Pods of one kind lie on different machines and in different zones."""
    for service in product.services:
        for component in ("http", "worker"):
            for workload in overlay.part_of(service, component, PARTS[component]):
                labels = labels_of(pod_of(workload))
                keys = {
                    one["topologyKey"]
                    for one in pod_of(workload)["spec"].get("topologySpreadConstraints", ())
                    if selects(one["labelSelector"], labels)
                }
                for key in sorted({"topology.kubernetes.io/zone", "kubernetes.io/hostname"} - keys):
                    yield f"{called(workload)} is not spread over {key}"


def references(overlay: Overlay, product: Product) -> Iterator[str]:
    """What a resource names is there: ConfigMaps, accounts, the pods behind a Service, the Service behind a route."""
    for workload in overlay.of_kind(*WORKLOADS):
        pod = pod_of(workload)["spec"]
        named = {volume["configMap"]["name"] for volume in pod.get("volumes", ()) if "configMap" in volume}
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            named |= {one["configMapRef"]["name"] for one in container.get("envFrom", ()) if "configMapRef" in one}
        for name in sorted(named):
            if overlay.find("ConfigMap", name) is None:
                yield f"{called(workload)} names the ConfigMap {name}, which is not there"
        account = pod.get("serviceAccountName")
        if account and overlay.find("ServiceAccount", account) is None:
            yield f"{called(workload)} names the ServiceAccount {account}, which is not there"
    pods = [(labels_of(pod_of(one)), one) for one in overlay.of_kind(*RUNNING)]
    for service in overlay.of_kind("Service"):
        wanted = service["spec"].get("selector") or {}
        if wanted and not any(selects({"matchLabels": wanted}, labels) for labels, _ in pods):
            yield f"{called(service)} finds no pod"
    for route in overlay.of_kind("HTTPRoute"):
        for rule in route["spec"].get("rules", ()):
            for backend in rule.get("backendRefs", ()):
                found = overlay.find("Service", backend["name"])
                if found is None or all(port["port"] != backend["port"] for port in found["spec"]["ports"]):
                    yield f"{called(route)} leads to {backend['name']}:{backend['port']}, which is not there"


RULES = (
    every_service_runs,
    no_unknown_service,
    containers_are_probed,
    budgets,
    network_policies,
    limits,
    least_rights,
    images,
    shutdown,
    spread,
    references,
)
