"""Alert rules and dashboards: their queries parse, and ask for metrics that somebody exports."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from prometheus_client import REGISTRY

from .product import Product, the_product
from .rendered import ROOT, Overlay, called

OBSERVABILITY = ROOT / "deploy" / "observability"
RUNBOOKS = ROOT / "docs" / "runbooks"
OF_OTHERS = {
    "kafka_server_": "Kafka's brokers, by Strimzi's rules for the JMX exporter",
    "kafka_controller_": "Kafka's controllers, by the same",
    "kafka_network_": "Kafka's listeners, by the same",
    "kafka_log_": "Kafka's logs, by the same",
    "kafka_cluster_": "Kafka's partitions, by the same",
    "kafka_consumergroup_": "Strimzi's Kafka exporter",
    "kafka_topic_": "Strimzi's Kafka exporter",
    "strimzi_": "Strimzi's operator",
    "cnpg_": "CloudNativePG's instances and pooler",
    "barman_cloud_": "CloudNativePG's backups",
    "kube_": "kube-state-metrics",
    "kubelet_": "the kubelet: room on volumes",
    "container_": "cAdvisor: CPU and memory of containers",
    "node_": "the node exporter",
    "keda_": "KEDA",
    "certmanager_": "cert-manager",
    "otelcol_": "the collector of traces",
    "process_": "every process that the Prometheus client measures",
    "python_": "Python's client",
    "prometheus_": "Prometheus itself",
    "alertmanager_": "Alertmanager",
}
"""What metrics of others begin with, and who exports them."""
OF_PROMETHEUS = {"up", "ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds", "scrape_samples_scraped"}
SUFFIXES = {"counter": ("_total", "_created"), "histogram": ("_bucket", "_count", "_sum", "_created"), "gauge": ("",)}

Rule = dict[str, Any]


TARGET_LABELS = {"namespace", "pod", "container", "job", "instance", "endpoint", "node"}
"""What Prometheus adds to every series, from where it found it."""


@dataclass(frozen=True)
class Series:
    """A series that services export: the labels it carries, and of a histogram the upper bounds of its buckets."""

    labels: frozenset[str]
    bounds: frozenset[float] = frozenset()


@cache
def exported() -> dict[str, Series]:
    """What our services export, by name: the kit's metrics, and those that a service adds when it is loaded."""
    the_product()
    found: dict[str, Series] = {}
    # The client has no public way to list metrics of which there is no sample yet.
    for collector in list(REGISTRY._collector_to_names):
        labels = frozenset(getattr(collector, "_labelnames", ()) or getattr(collector, "_labels", ()))
        bounds = frozenset(getattr(collector, "_kwargs", {}).get("buckets", ()))
        describe = getattr(collector, "describe", None) or collector.collect
        for family in describe():
            for suffix in SUFFIXES.get(family.type, ("",)):
                is_bucket = suffix == "_bucket"
                found[family.name + suffix] = Series(labels | {"le"}, bounds) if is_bucket else Series(labels)
    return found


def rule_files() -> list[Path]:
    """The files of alert and recording rules."""
    return sorted((OBSERVABILITY / "rules").glob("*.yaml"))


def rule_tests() -> list[Path]:
    """The files of promtool's tests of these rules."""
    return sorted((OBSERVABILITY / "rules" / "tests").glob("*.yaml"))


def rules(path: Path) -> list[Rule]:
    """The rules of one file, of all its groups."""
    content = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    return [rule for group in content.get("groups", ()) for rule in group["rules"]]


def recorded() -> set[str]:
    """The series that recording rules make."""
    return {rule["record"] for path in rule_files() for rule in rules(path) if "record" in rule}


def dashboards() -> list[Path]:
    """The dashboards' files."""
    return sorted((OBSERVABILITY / "dashboards").glob("*.json"))


def dashboard_queries(dashboard: Any) -> Iterator[str]:
    """Every PromQL expression of a dashboard: panels in rows too, variables and annotations."""
    if isinstance(dashboard, dict):
        expression = dashboard.get("expr")
        if isinstance(expression, str):
            yield expression
        if dashboard.get("type") == "query" and "datasource" in dashboard:
            query = dashboard.get("query")
            text = query.get("query", "") if isinstance(query, dict) else query or ""
            asked = re.fullmatch(r"label_values\((.*),\s*\w+\)|query_result\((.*)\)", text)
            if asked:
                yield asked[1] or asked[2]
        for value in dashboard.values():
            yield from dashboard_queries(value)
    elif isinstance(dashboard, list):
        for value in dashboard:
            yield from dashboard_queries(value)


def wrong_query(query: str, recorded_series: set[str]) -> Iterator[str]:
    """What is wrong with one query: it does not parse, or asks for a metric that nobody exports."""
    # Grafana fills these in; any value of the right kind will do for parsing.
    filled = re.sub(r"\[\$\{?__?\w+\}?\]", "[5m]", query)
    filled = re.sub(r"\$\{?(__range_s|__interval_ms)\}?", "60", filled)
    filled = re.sub(r"\$\{?__(range|interval|rate_interval)\}?", "5m", filled)
    filled = re.sub(r"\$\{?\w+(:\w+)?\}?", "any", filled)
    try:
        tree = promql_parser.parse(filled)
    except ValueError as refused:
        yield f"{query!r} does not parse: {refused}"
        return
    for name, labels in _selected(tree):
        theirs = name in OF_PROMETHEUS or name.startswith(tuple(OF_OTHERS))
        series = exported().get(name)
        if series is None:
            if name not in recorded_series and not theirs:
                yield f"{query!r} asks for {name}, which nobody exports"
            continue
        for label, value in labels:
            if label not in series.labels | TARGET_LABELS:
                yield f"{query!r} asks for {name} by {label}, a label it does not have"
            elif label == "le" and series.bounds and value != "+Inf" and float(value) not in series.bounds:
                yield f"{query!r} asks for {name} up to {value}, which is no bound of its buckets"


def _selected(node: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The names of all series that an expression selects, each with the labels it is selected by and their values."""
    if isinstance(node, promql_parser.VectorSelector):
        matchers = [(one.name, one.value) for one in node.matchers.matchers]
        named = node.name or dict(matchers).get("__name__")
        if named:
            yield named, [one for one in matchers if one[0] != "__name__"]
        return
    for field in ("expr", "lhs", "rhs", "vector_selector", "args", "param"):
        value = getattr(node, field, None)
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield from _selected(one)


def wrong_rule(rule: Rule, recorded_series: set[str], runbooks: Path = RUNBOOKS) -> Iterator[str]:
    """What is wrong with one rule: its query, or an alert without severity, summary or a runbook that is there."""
    name = rule.get("alert") or rule["record"]
    for wrong in wrong_query(rule["expr"], recorded_series):
        yield f"{name}: {wrong}"
    if "alert" not in rule:
        return
    if rule.get("labels", {}).get("severity") not in {"page", "ticket", "none"}:
        yield f"{name} does not say whether it pages somebody or makes a ticket"
    if not rule.get("annotations", {}).get("summary"):
        yield f"{name} has no summary"
    wanted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower() + ".md"
    link = rule.get("annotations", {}).get("runbook_url", "")
    if not link.endswith(f"/{wanted}"):
        yield f"{name} does not lead to the runbook {wanted}"
    elif not (runbooks / wanted).is_file():
        yield f"{name} leads to the runbook {wanted}, which is not there"


def wrong_dashboard(dashboard: Any, recorded_series: set[str]) -> Iterator[str]:
    """What is wrong with one dashboard: it has no name of its own, no query, or a wrong one."""
    if not dashboard.get("uid") or not dashboard.get("title"):
        yield "The dashboard has no uid or title"
    queries = list(dashboard_queries(dashboard))
    if not queries:
        yield "The dashboard asks for nothing"
    for query in queries:
        yield from wrong_query(query, recorded_series)


def scaling_queries(overlay: Overlay, product: Product) -> Iterator[str]:
    """What scales workers parses, and asks for what they export."""
    for scaler in overlay.of_kind("ScaledObject"):
        for trigger in scaler["spec"]["triggers"]:
            if trigger["type"] == "prometheus":
                for wrong in wrong_query(trigger["metadata"]["query"], recorded()):
                    yield f"{called(scaler)}: {wrong}"


def dashboard(path: Path) -> Any:
    """A dashboard, read."""
    return json.loads(path.read_text("utf-8"))
