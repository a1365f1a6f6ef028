"""Each rule was seen to fail: a copy of production's overlay is broken in one place, and the rule says so."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from deploy_rules import compose, environment, messages, queries, schemas, workloads
from deploy_rules.product import Product
from deploy_rules.rendered import ROOT, Overlay, Resource, pod_of

Break = Callable[[Overlay], None]


def take(overlay: Overlay, kind: str, name: str) -> Resource:
    """The resource, to be changed."""
    found = overlay.find(kind, name)
    assert found is not None, f"{kind} {name}"
    return found


def container(overlay: Overlay, kind: str = "Deployment", name: str = "helpdesk-http") -> Resource:
    """The first container of a workload, to be changed."""
    first: Resource = pod_of(take(overlay, kind, name))["spec"]["containers"][0]
    return first


def without(kind: str, name: str) -> Break:
    """Remove a resource."""
    return lambda overlay: overlay.resources.remove(take(overlay, kind, name))


def at(kind: str, name: str, path: str, value: Any) -> Break:
    """Set what stands at a path of names and numbers, divided by slashes; None removes it."""

    def change(overlay: Overlay) -> None:
        place: Any = take(overlay, kind, name)
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        for step in steps:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


def in_container(field: str, value: Any, kind: str = "Deployment", name: str = "helpdesk-http") -> Break:
    """Set a field of the first container; None removes it."""
    return at(kind, name, f"spec/template/spec/containers/0/{field}", value)


def told(variable: str, value: str) -> Break:
    """Tell the helpdesk's HTTP process one thing more."""
    return lambda overlay: container(overlay)["env"].append({"name": variable, "value": value})


def allow_write(overlay: Overlay) -> None:
    """Let triage write to a topic of the helpdesk."""
    acl = {
        "resource": {"type": "topic", "name": "anliegen.helpdesk", "patternType": "literal"},
        "operations": ["Write"],
    }
    take(overlay, "KafkaUser", "triage-kafka")["spec"]["authorization"]["acls"].append(acl)


def forget_secret(overlay: Overlay) -> None:
    """Take the database's address out of the folder of secrets."""
    volumes = pod_of(take(overlay, "Deployment", "helpdesk-http"))["spec"]["volumes"]
    next(one for one in volumes if "projected" in one)["projected"]["sources"].pop(0)


def second_scaler(overlay: Overlay) -> None:
    """Let two things scale the same workers."""
    other = copy.deepcopy(take(overlay, "ScaledObject", "helpdesk-worker"))
    other["metadata"]["name"] = "another"
    overlay.resources.append(other)


DEPLOYMENT, WORKER, POD = "Deployment", "StatefulSet", "spec/template/spec"
BROKEN: list[tuple[Any, Break, str]] = [
    (workloads.every_service_runs, without(DEPLOYMENT, "helpdesk-http"), "helpdesk has no Deployment for http"),
    (workloads.every_service_runs, without(WORKER, "triage-worker"), "triage has no StatefulSet for worker"),
    (workloads.every_service_runs, without("Job", "intake-migrate"), "intake has no Job for migrate"),
    (workloads.every_service_runs, in_container("args", ["work"]), "does not run `serve`"),
    (workloads.every_service_runs, in_container("command", ["sh", "-c"]), "replaces the image's entry point"),
    (workloads.every_service_runs, in_container("image", "anliegen/intake:1"), "runs the image anliegen/intake"),
    (
        workloads.no_unknown_service,
        at(DEPLOYMENT, "helpdesk-http", "metadata/labels", {workloads.SERVICE: "gone", workloads.COMPONENT: "http"}),
        "belongs to gone, which is no service",
    ),
    (workloads.containers_are_probed, in_container("livenessProbe", None), "has no livenessProbe at /livez"),
    (workloads.containers_are_probed, in_container("ports", []), "asks port http, which is not there"),
    (workloads.budgets, without("PodDisruptionBudget", "helpdesk-worker"), "has no PodDisruptionBudget"),
    (
        workloads.budgets,
        at("PodDisruptionBudget", "helpdesk-http", "spec/maxUnavailable", 0),
        "says no `maxUnavailable: 1`",
    ),
    (workloads.network_policies, without("NetworkPolicy", "default-deny"), "denies everything"),
    (workloads.network_policies, without("NetworkPolicy", "helpdesk-http"), "has no NetworkPolicy of its own"),
    (workloads.limits, in_container("resources/limits", {}), "has no limit of memory"),
    (workloads.limits, in_container("resources/requests", {"memory": "1Mi"}), "requests no cpu"),
    (workloads.limits, in_container("resources/limits/cpu", "1"), "limits CPU"),
    (workloads.least_rights, at("Namespace", "anliegen", "metadata/labels", {}), "does not enforce the restricted"),
    (
        workloads.least_rights,
        at(WORKER, "helpdesk-worker", f"{POD}/automountServiceAccountToken", True),
        "`automountServiceAccountToken: false`",
    ),
    (workloads.least_rights, at(WORKER, "helpdesk-worker", f"{POD}/securityContext", {}), "may run as root"),
    (workloads.least_rights, at(WORKER, "helpdesk-worker", f"{POD}/securityContext", {}), "has no seccomp profile"),
    (workloads.least_rights, in_container("securityContext/readOnlyRootFilesystem", False), "may write to its image"),
    (workloads.least_rights, in_container("securityContext/capabilities/drop", []), "keeps capabilities"),
    (workloads.least_rights, in_container("securityContext/allowPrivilegeEscalation", None), "may gain rights"),
    (workloads.least_rights, in_container("securityContext/runAsUser", 1), "does not run as 10001"),
    (workloads.images, in_container("image", "anliegen/helpdesk"), "has no version"),
    (workloads.images, in_container("image", "anliegen/helpdesk:latest"), "is whatever is the latest"),
    (workloads.images, in_container("image", "registry.example/anliegen/helpdesk:1"), "names a registry"),
    (
        workloads.shutdown,
        at(DEPLOYMENT, "helpdesk-http", f"{POD}/terminationGracePeriodSeconds", 59),
        "killed after 59",
    ),
    (workloads.shutdown, at(WORKER, "helpdesk-worker", f"{POD}/terminationGracePeriodSeconds", 49), "killed after 49"),
    (workloads.shutdown, in_container("lifecycle", {}), "has no preStop"),
    (
        workloads.spread,
        at(WORKER, "helpdesk-worker", f"{POD}/topologySpreadConstraints", []),
        "is not spread over kubernetes.io/hostname",
    ),
    (workloads.references, without("ServiceAccount", "helpdesk-account"), "names the ServiceAccount helpdesk-account"),
    (workloads.references, in_container("envFrom/0/configMapRef/name", "lost"), "names the ConfigMap lost"),
    (workloads.references, without(DEPLOYMENT, "helpdesk-http"), "Service helpdesk-http finds no pod"),
    (workloads.references, without("Service", "helpdesk-http"), "leads to helpdesk-http:8400, which is not there"),
    (messages.topics, without("KafkaTopic", "anliegen.triage"), "anliegen.triage has no KafkaTopic"),
    (messages.topics, at("KafkaTopic", "anliegen.triage", "spec/partitions", 7), "partitions is 7"),
    (
        messages.topics,
        at("KafkaTopic", "anliegen.triage", "spec/config", {"retention.ms": "1", "min.insync.replicas": "2"}),
        "retention.ms is 1",
    ),
    (messages.topics, at("KafkaTopic", "anliegen.triage", "metadata/name", "anliegen.lost"), "lost is in no manifest"),
    (messages.accounts, without("KafkaUser", "triage-kafka"), "triage has no KafkaUser"),
    (messages.accounts, allow_write, "may Write the topic anliegen.helpdesk (literal), which its code never does"),
    (
        messages.accounts,
        at("KafkaUser", "triage-kafka", "spec/authorization/acls", []),
        "may not Read the group triage (literal), which its code does",
    ),
    (messages.scaling, at("ScaledObject", "triage-worker", "spec/maxReplicaCount", 25), "up to 25 replicas for 24"),
    (messages.scaling, at(WORKER, "triage-worker", "spec/replicas", 25), "25 replicas for 24 partitions"),
    (messages.scaling, at("ScaledObject", "triage-worker", "spec/minReplicaCount", 0), "may scale to none"),
    (messages.scaling, at("ScaledObject", "triage-worker", "spec/fallback", {}), "when its measure cannot be read"),
    (messages.scaling, at("ScaledObject", "triage-worker", "spec/advanced", {}), "scales in at the first lull"),
    (messages.scaling, without("ScaledObject", "triage-worker"), "workers of triage have no ScaledObject"),
    (messages.scaling, without("HorizontalPodAutoscaler", "triage-http"), "has no HorizontalPodAutoscaler"),
    (messages.scaling, at(DEPLOYMENT, "helpdesk-http", "spec/replicas", 3), "a release takes back what its scaler"),
    (messages.scaling, second_scaler, "StatefulSet helpdesk-worker is scaled by two"),
    (messages.scaling, without(WORKER, "helpdesk-worker"), "scales StatefulSet helpdesk-worker, which is not there"),
    (
        queries.scaling_queries,
        at("ScaledObject", "triage-worker", "spec/triggers/0/metadata/query", "max(kafka_consumer_lag)"),
        "asks for kafka_consumer_lag, which nobody exports",
    ),
    (messages.routes, without("HTTPRoute", "helpdesk"), "helpdesk has no HTTPRoute"),
    (environment.environment_is_settings, told("ANLIEGEN_LOG_LEVL", "INFO"), "no setting is called ANLIEGEN_LOG_LEVL"),
    (environment.environment_is_settings, told("ANLIEGEN_LOG_LEVEL", "loud"), "log_level: Input should be"),
    (environment.environment_is_settings, forget_secret, "database_url: Field required"),
]
RULES = (*workloads.RULES, *messages.RULES, *environment.RULES, queries.scaling_queries)


def broken(overlay: Overlay, change: Break) -> Overlay:
    """A copy with one change."""
    result = Overlay(overlay.name, copy.deepcopy(overlay.resources))
    change(result)
    return result


@pytest.mark.parametrize(("rule", "change", "message"), BROKEN, ids=[f"{one[0].__name__}-{one[2]}" for one in BROKEN])
def test_a_broken_copy_is_found(
    overlays: dict[str, Overlay], product: Product, rule: Any, change: Break, message: str
) -> None:
    found = list(rule(broken(overlays["production"], change), product))
    assert any(message in one for one in found), found


def test_every_rule_was_seen_to_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_container("livnessProbe", {}), "livnessProbe"),
        (at(DEPLOYMENT, "helpdesk-http", "spec/replcas", 2), "replcas"),
        (at("Kafka", "anliegen-kafka", "spec/kafka/replicas", "many"), "replicas"),
        (at("KafkaTopic", "anliegen.triage", "spec/partitions", "ten"), "'ten' is not of type 'integer'"),
        (at("KafkaUser", "triage-kafka", "spec/authorisation", {}), "authorisation"),
        (at("ScaledObject", "triage-worker", "spec/maxReplicas", 3), "maxReplicas"),
        (at("Cluster", "anliegen-postgres", "spec/instances", "three"), "'three' is not of type 'integer'"),
        (at("Database", "helpdesk", "spec/owner", None), "'owner' is a required property"),
        (at("HTTPRoute", "helpdesk", "spec/rules/0/timeout", "1s"), "timeout"),
        (at("ExternalSecret", "helpdesk-database", "spec/refresh", "1h"), "refresh"),
        (at("Issuer", "anliegen", "spec/acm", {}), "acm"),
        (at("PodMonitor", "anliegen", "spec/podMetricsEndpoint", []), "podMetricsEndpoint"),
        (at("Service", "helpdesk-http", "apiVersion", "v2"), "no schema of v2/Service"),
    ],
)
def test_the_schemas_find_a_broken_copy(overlays: dict[str, Overlay], change: Break, message: str) -> None:
    found = list(schemas.as_the_schema_says(broken(overlays["production"], change)))
    assert any(message in one for one in found), found


def compose_breaks() -> Iterator[tuple[Any, Callable[[Any], Any], str]]:
    """Changes of docker-compose.yml's services, and what the rules say."""
    yield compose.every_service_runs, lambda all_: all_.pop("triage"), "triage is missing"
    yield compose.every_service_runs, lambda all_: all_["triage-worker"].pop("command"), "does not run `work`"
    yield compose.every_service_runs, lambda all_: all_["triage"].pop("healthcheck"), "is not asked whether"
    yield compose.every_service_runs, lambda all_: all_["triage"].pop("restart"), "stays down after a crash"
    yield compose.every_service_runs, lambda all_: all_["triage"].pop("depends_on"), "does not wait for its migration"
    yield compose.stopping, lambda all_: all_["triage"].pop("stop_grace_period"), "is killed after 10s"
    yield compose.environment, lambda all_: all_["triage"].update(environment={"ANLIEGEN_X": ""}), "called ANLIEGEN_X"
    yield compose.least_rights, lambda all_: all_["triage-worker"].pop("cap_drop"), "triage-worker may write"
    yield compose.images, lambda all_: all_["kafka"].update(image="apache/kafka"), "kafka: the image apache/kafka has"
    yield compose.images, lambda all_: all_["kafka"].update(image="apache/kafka:latest"), "has no version"
    yield compose.published, lambda all_: all_["kafka"].update(ports=["9094:9094"]), "publishes 9094:9094 to everybody"


@pytest.mark.parametrize(("rule", "change", "message"), list(compose_breaks()))
def test_a_broken_compose_file_is_found(
    product: Product, rule: Any, change: Callable[[Any], Any], message: str
) -> None:
    content = copy.deepcopy(compose.read(ROOT / "docker-compose.yml"))
    change(content["services"])
    found = list(rule(content, product))
    assert any(message in one for one in found), found


def test_every_rule_for_compose_was_seen_to_fail() -> None:
    assert {rule for rule, _, _ in compose_breaks()} == set(compose.RULES)
