"""Kafka as the code uses it: topics, accounts, and how far consumers scale."""

from collections.abc import Iterator

from anliegen.events.topics import is_partner_topic

from .product import Product
from .rendered import Overlay, Resource, called


def topics(overlay: Overlay, product: Product) -> Iterator[str]:
    """Where Strimzi keeps the topics, each is there as the manifest says, and no other.

    Partner systems and their topics are each deployment's own; the manifest names one for development machines.
    """
    if not overlay.of_kind("Kafka"):
        return
    found = {one["metadata"]["name"]: one for one in overlay.of_kind("KafkaTopic")}
    wanted = product.topics["development" if _brokers(overlay) == 1 else "production"]
    for name in sorted(set(found) - set(wanted)):
        yield f"KafkaTopic {name} is in no manifest"
    for name, spec in wanted.items():
        if is_partner_topic(name):
            continue
        if name not in found:
            yield f"The topic {name} has no KafkaTopic"
            continue
        said = found[name]["spec"]
        expected = {"partitions": spec.partitions, "replicas": spec.replication}
        for field, value in expected.items():
            if said.get(field) != value:
                yield f"KafkaTopic {name}: {field} is {said.get(field)}, the manifest says {value}"
        for key, setting in spec.config.items():
            if str(said.get("config", {}).get(key)) != setting:
                yield f"KafkaTopic {name}: {key} is {said.get('config', {}).get(key)}, the manifest says {setting}"


def _brokers(overlay: Overlay) -> int:
    return sum(
        int(one["spec"]["replicas"]) for one in overlay.of_kind("KafkaNodePool") if "broker" in one["spec"]["roles"]
    )


def accounts(overlay: Overlay, product: Product) -> Iterator[str]:
    """Each service's account in Kafka may do what its code does, and no more."""
    if not overlay.of_kind("Kafka"):
        return
    for name, service in product.services.items():
        user = overlay.find("KafkaUser", f"{name}-kafka")
        if user is None:
            yield f"{name} has no KafkaUser"
            continue
        granted = {
            (one["resource"]["type"], one["resource"]["name"], one["resource"].get("patternType", "literal"), operation)
            for one in user["spec"].get("authorization", {}).get("acls", ())
            for operation in one["operations"]
        }
        for kind, target, pattern, operation in sorted(product.grants(service) - granted):
            yield f"{called(user)} may not {operation} the {kind} {target} ({pattern}), which its code does"
        for kind, target, pattern, operation in sorted(granted - product.grants(service)):
            yield f"{called(user)} may {operation} the {kind} {target} ({pattern}), which its code never does"


def scaling(overlay: Overlay, product: Product) -> Iterator[str]:
    """Workers are never more than partitions, never none, and one thing alone says how many there are of each."""
    cut = product.topics["development" if overlay.of_kind("Kafka") and _brokers(overlay) == 1 else "production"]
    scaled: set[tuple[str, str]] = set()
    for scaler in overlay.of_kind("ScaledObject", "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        identity = (target.get("kind", "Deployment"), target["name"])
        if overlay.find(*identity) is None:
            yield f"{called(scaler)} scales {' '.join(identity)}, which is not there"
        if identity in scaled:
            yield f"{' '.join(identity)} is scaled by two"
        scaled.add(identity)
        if "replicas" in ((overlay.find(*identity) or {}).get("spec") or {}):
            yield f"{' '.join(identity)} says how many there are, so a release takes back what its scaler added"
    for name, service in product.services.items():
        partitions = max((cut[topic].partitions for topic in service.handlers.topics), default=1)
        for worker in overlay.part_of(name, "worker", "StatefulSet"):
            if worker["spec"].get("replicas", 1) > partitions:
                yield f"{called(worker)}: {worker['spec']['replicas']} replicas for {partitions} partitions"
        for scaler in overlay.part_of(name, "worker", "ScaledObject"):
            yield from _bounds(scaler, partitions)
        if overlay.of_kind("ScaledObject") and ("StatefulSet", f"{name}-worker") not in scaled:
            yield f"The workers of {name} have no ScaledObject"
        if ("Deployment", f"{name}-http") not in scaled:
            yield f"The Deployment of {name} has no HorizontalPodAutoscaler"


def _bounds(scaler: Resource, partitions: int) -> Iterator[str]:
    spec = scaler["spec"]
    most, least = spec.get("maxReplicaCount", 100), spec.get("minReplicaCount", 0)
    if most > partitions:
        yield f"{called(scaler)}: up to {most} replicas for {partitions} partitions: the rest would have nothing to do"
    if least < 1:
        yield f"{called(scaler)} may scale to none, and a customer would wait for the first"
    if spec.get("fallback", {}).get("behavior") != "currentReplicasIfHigher":
        yield f"{called(scaler)} scales in when its measure cannot be read"
    behaviour = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
    if behaviour.get("scaleDown", {}).get("stabilizationWindowSeconds", 0) < 300:
        yield f"{called(scaler)} scales in at the first lull: each time costs the partitions a session's time-out"


def routes(overlay: Overlay, product: Product) -> Iterator[str]:
    """Where the Gateway API leads people in, each service with an interface of its own has a route."""
    if not overlay.of_kind("Gateway"):
        return
    for name, service in product.services.items():
        if service.routers and overlay.find("HTTPRoute", name) is None:
            yield f"{name} has no HTTPRoute"


RULES = (topics, accounts, scaling, routes)
