"""What a service needs of the platform, read from its code, and the Kubernetes resources that say so."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from pydantic import SecretStr

from anliegen.events.topics import PARTNER, TopicSpec, manifest
from anliegen.kit import Settings
from anliegen.kit.http.streams import EventStream
from anliegen.kit.service import Service

KAFKA = "anliegen-kafka"
POSTGRES = "anliegen-postgres"
POOLER = "anliegen-pooler"
STORE = "anliegen"
AUTHORITY = "/run/secrets/postgres/ca.crt"
REQUEST_TIMEOUT = "60s"
STREAM_TIMEOUT = "20m"
"""Longer than any stream of ours lasts: journey's end after 15 minutes, for the reader to come again."""
SECONDS_A_POD = 5
"""One more worker for so many seconds of lag: six when events wait for half a minute, which is the objective."""

Resource = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a service needs of the platform, as its code says."""

    name: str
    own_topics: list[TopicSpec]
    """The topics that it alone writes to."""
    heard_topics: list[str]
    """Those of our services that it reads."""
    hears_partners: bool = False
    """Whether it reads the topics of partner systems, whatever they are called."""
    has_secrets: bool = False
    """Whether it has passwords or keys of its own, besides the database's and Kafka's."""
    has_streams: bool = False
    """Whether some of its answers go on for long (server-sent events)."""
    partitions: int = 1
    """More workers than partitions would have nothing to do."""

    @property
    def package(self) -> str:
        """The name with underscores: database and role."""
        return self.name.replace("-", "_")


def needs_of(service: Service) -> Needs:
    """Read it from the service: its topics by the manifest, its handlers, settings and routes."""
    specs = {spec.name: spec for spec in manifest("production")}
    heard = list(service.handlers.topics)
    added = set(service.settings.model_fields) - set(Settings.model_fields)
    routes = [route for router in service.routers for route in router.routes if isinstance(route, APIRoute)]
    return Needs(
        name=service.name,
        own_topics=[specs[name] for name in service.topics],
        heard_topics=heard,
        hears_partners=service.handlers.take_partner_records is not None,
        has_secrets=any(service.settings.model_fields[name].annotation is SecretStr for name in added),
        has_streams=any(route.response_class is EventStream for route in routes),
        partitions=max((specs[name].partitions for name in heard), default=1),
    )


def _metadata(name: str, service: str, *, wave: int | None = None, kept: bool = False, **labels: str) -> Resource:
    common = {"app.kubernetes.io/name": service, "app.kubernetes.io/part-of": "anliegen"}
    metadata: Resource = {"name": name, "labels": {**common, "app.kubernetes.io/managed-by": "kustomize", **labels}}
    if wave is not None:
        metadata["annotations"] = {"argocd.argoproj.io/sync-wave": str(wave)}
    if kept:
        # What is kept in it is deleted by a person alone.
        metadata["annotations"]["argocd.argoproj.io/sync-options"] = "Prune=false,Delete=false"
    return metadata


def topics(needs: Needs) -> Iterator[Resource]:
    """The topics the service announces on, as the manifest says they are in production."""
    for spec in needs.own_topics:
        yield {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaTopic",
            "metadata": _metadata(spec.name, needs.name, wave=-2, kept=True, **{"strimzi.io/cluster": KAFKA}),
            "spec": {
                "partitions": spec.partitions,
                "replicas": spec.replication,
                "config": {**spec.config, "cleanup.policy": "delete"},
            },
        }


def user(needs: Needs) -> Resource:
    """The account of the service's workers in Kafka, and exactly what they do there.

    They read what their handlers hear; their own topics they read as well, to see after a restore what they announced.
    DescribeConfigs lets them hold the topics against the manifest when they start.
    """
    own = {spec.name for spec in needs.own_topics}
    acls: list[Resource] = [
        _acl("topic", name, ["Describe", "DescribeConfigs", "Read", *(["Write"] if name in own else [])])
        for name in sorted({*own, *needs.heard_topics})
    ]
    if needs.hears_partners:
        acls.append(_acl("topic", PARTNER, ["Describe", "DescribeConfigs", "Read"], pattern="prefix"))
    acls.append(_acl("group", needs.name, ["Read"]))
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": _metadata(f"{needs.name}-kafka", needs.name, wave=-2, **{"strimzi.io/cluster": KAFKA}),
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": acls},
        },
    }


def _acl(kind: str, name: str, operations: list[str], *, pattern: str = "literal") -> Resource:
    return {"resource": {"type": kind, "name": name, "patternType": pattern}, "operations": operations}


def database(needs: Needs) -> Iterator[Resource]:
    """The database, the role that owns its tables, and the one the service works under."""
    for name, role, secret in (
        (f"{needs.name}-owner", f"{needs.package}_owner", f"{needs.name}-database-owner"),
        (needs.name, needs.package, f"{needs.name}-database"),
    ):
        yield {
            "apiVersion": "postgresql.cnpg.io/v1",
            "kind": "DatabaseRole",
            "metadata": _metadata(name, needs.name, wave=-2, kept=True),
            "spec": {
                "cluster": {"name": POSTGRES},
                "name": role,
                "login": True,
                "passwordSecret": {"name": secret},
                "databaseRoleReclaimPolicy": "retain",
            },
        }
    yield {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Database",
        "metadata": _metadata(needs.name, needs.name, wave=-2, kept=True),
        "spec": {
            "cluster": {"name": POSTGRES},
            "name": needs.package,
            "owner": f"{needs.package}_owner",
            # Whoever deletes this resource by mistake has not deleted what customers said.
            "databaseReclaimPolicy": "retain",
        },
    }


def secrets(needs: Needs) -> Iterator[Resource]:
    """The passwords from the store of the deployment, with the addresses that they are part of."""
    yield _role_secret(needs, f"{needs.name}-database", needs.package, "database", pooled=True)
    yield _role_secret(needs, f"{needs.name}-database-owner", f"{needs.package}_owner", "database-owner", pooled=False)
    if needs.has_secrets:
        yield {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": _metadata(f"{needs.name}-settings", needs.name, wave=-4),
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "SecretStore", "name": STORE},
                # Every property by its name: anliegen_identity_secret, anliegen_intake_smtp_password …
                "dataFrom": [{"extract": {"key": f"{STORE}/{needs.name}/settings"}}],
            },
        }


def _role_secret(needs: Needs, name: str, role: str, key: str, *, pooled: bool) -> Resource:
    start = f"postgresql://{role}:{{{{ .password | urlquery }}}}@"
    data = {
        "username": role,
        "password": "{{ .password }}",
        "url": f"{start}{POSTGRES}-rw:5432/{needs.package}?sslmode=verify-full&sslrootcert={AUTHORITY}",
    }
    if pooled:
        # The pooler shows the certificate of the servers behind it, which does not carry its own name.
        data["pooled_url"] = f"{start}{POOLER}:5432/{needs.package}?sslmode=verify-ca&sslrootcert={AUTHORITY}"
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": _metadata(name, needs.name, wave=-4),
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": STORE},
            "target": {
                "template": {
                    "type": "kubernetes.io/basic-auth",
                    "metadata": {"labels": {"cnpg.io/reload": "true"}},
                    "data": data,
                }
            },
            "data": [
                {
                    "secretKey": "password",
                    "remoteRef": {"key": f"{STORE}/{needs.name}/{key}", "property": "password"},
                }
            ],
        },
    }


def route(needs: Needs) -> Resource:
    """What is below `/<service>/` goes to the service.

    A live stream is told by what its reader asks for: a header is compared alike by every gateway, a pattern in a path
    is not.
    """
    path = {"path": {"type": "PathPrefix", "value": f"/{needs.name}/"}}
    backend = [{"name": f"{needs.name}-http", "port": 8400}]
    rules: list[Resource] = []
    if needs.has_streams:
        stream = {**path, "headers": [{"name": "Accept", "value": "text/event-stream"}]}
        rules.append({"matches": [stream], "backendRefs": backend, "timeouts": {"request": STREAM_TIMEOUT}})
    rules.append({"matches": [path], "backendRefs": backend, "timeouts": {"request": REQUEST_TIMEOUT}})
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(needs.name, needs.name),
        "spec": {"parentRefs": [{"name": "anliegen", "sectionName": "https"}], "rules": rules},
    }


def scaling(needs: Needs) -> Resource:
    """How far the workers scale, and by what; what is the same for all stands in deploy/k8s/components/keda."""
    query = f'max(kafka_consumer_lag_seconds{{namespace="anliegen", service="{needs.name}"}})'
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _metadata(f"{needs.name}-worker", needs.name, **{"app.kubernetes.io/component": "worker"}),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": f"{needs.name}-worker"},
            "minReplicaCount": 2,
            "maxReplicaCount": needs.partitions,
            "triggers": [
                {
                    "type": "prometheus",
                    "metricType": "AverageValue",
                    "metadata": {
                        "serverAddress": "http://prometheus.monitoring:9090",
                        "query": query,
                        "threshold": str(SECONDS_A_POD),
                        "ignoreNullValues": "false",
                    },
                }
            ],
        },
    }
