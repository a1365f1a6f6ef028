"""docs/metrics.md from the metrics that services register, and the table of docs/runbooks from the alert rules."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import REGISTRY

RULES = Path(__file__).resolve().parent.parent / "deploy" / "observability" / "rules"
OF_THE_CLIENT = ("python_", "process_")
LABELS = {
    "asked_by": "`triage` by itself, or a `person`",
    "channel": "how a contact came or words go: `email`, `whatsapp`, `web_form` …",
    "confidence": "of a reading, in tenths, rounded down: `0.0` to `0.9`",
    "kind": "of a failure: `broken_promise`, `rejected_answer` …; of a timer: its name",
    "method": "of HTTP; what is none of the known ones is `_OTHER`",
    "mode": "how far triage went: `automate`, `preselect`, `suggest`, `none` (it said nothing)",
    "outcome": "`sent`, `failed` (tried again), `rejected` (for good), `not_noted` (sent, and the note is missing)",
    "pack": "the rule pack's name",
    "part": "`http` or `work` of a process; of a worker's restarts the part's name",
    "partition": "of the topic",
    "result": "`done`, `parked`, `refused` (a rule's outcome), `retried`; of a reading: `confirmed`, `overridden`",
    "route": "the template, such as `/helpdesk/v1/questions/{question_id}`; probes by their names; else `unmatched`",
    "service": "the service, in every series",
    "source": "who judged a reading: `review` (a person), `answer` (the customer), `handover` (its task gave it on)",
    "status": "of an answer: its HTTP status; of a case: `opened`, `in_progress`, `waiting_for_customer`, `reopened`",
    "task": "one of the seven tasks; of a reading also `other` (a stranger to all) and `none` (nothing to read)",
    "topic": "of Kafka",
    "type": "of an event, as in [events.md](events.md)",
    "what": "what differs: `missing`, `partitions`, a setting's name",
}
"""What each label's values are. A label that is missing here keeps the page from being written."""


def metrics_page() -> str:
    """The page with every metric that our code registers."""
    families = sorted(_families())
    used = {label for _, _, labels, _ in families for label in labels}
    if unknown := used - LABELS.keys():
        raise LookupError(f"scripts/docs_metrics.py does not say what the label {', '.join(sorted(unknown))} means")
    rows = [f"| `{name}` | {kind} | {_list(labels)} | {about} |" for name, kind, labels, about in families]
    meanings = [f"| `{label}` | {LABELS[label]} |" for label in sorted(used)]
    return "\n".join([_HEAD, *rows, _MIDDLE, *meanings, _FOOT])


def runbook_table() -> str:
    """One row for each alert: its runbook, how urgent it is, and what it says."""
    rows = ["| alert | urgent? | says |", "|---|---|---|"]
    alerts: dict[str, tuple[str, list[str], list[str]]] = {}
    for path in sorted(RULES.glob("*.yaml")):
        for rule in _alerts(path):
            page = Path(rule["annotations"]["runbook_url"]).name
            _, urgencies, says = alerts.setdefault(rule["alert"], (page, [], []))
            urgencies.append(rule["labels"]["severity"])
            says.append(_readable(rule["annotations"]["summary"]))
    for name, (page, urgencies, says) in sorted(alerts.items()):
        rows.append(f"| [{name}]({page}) | {', '.join(dict.fromkeys(urgencies))} | {' '.join(dict.fromkeys(says))} |")
    return "\n".join(rows)


def _alerts(path: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
        yield from (rule for rule in group["rules"] if "alert" in rule)


def _readable(summary: str) -> str:
    """Without the template's braces: `{{ $labels.service }}` is *service*, `{{ $value | … }}` is *n*."""
    named = re.sub(r"\{\{\s*\$labels\.(\w+)\s*\}\}", r"*\1*", summary)
    return re.sub(r"\{\{\s*\$value[^}]*\}\}", "*n*", named)


def _families() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    # The client has no public way to list metrics of which there is no sample yet.
    for collector in list(REGISTRY._collector_to_names):
        labels = tuple(getattr(collector, "_labelnames", ()) or getattr(collector, "_labels", ()))
        for family in getattr(collector, "describe", collector.collect)():
            if not family.name.startswith(OF_THE_CLIENT):
                name = family.name + ("_total" if family.type == "counter" else "")
                yield name, _kind(collector, family.type), labels, family.documentation


def _kind(collector: Any, kind: str) -> str:
    if kind != "histogram":
        return kind
    bounds = ", ".join(f"{bound:g}" for bound in collector._kwargs["buckets"])
    return f"histogram, up to {bounds} s"


def _list(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


_HEAD = """\
# Metrics

Every process tells its metrics at `/metrics` (HTTP at its own port, workers at 8401), in the text form that Prometheus
reads. `make docs` writes this page from the code.

Replicas that look into the same database tell the same: take `max by (service)` of gauges such as `outbox_pending`,
`cases_open` or `dead_letters_unsettled`, and `sum` of counters, histograms and what belongs to a process
(`http_server_active_requests`, `db_pool_in_use`) or to a partition (`kafka_consumer_lag_records`).

| metric | kind | labels | says |
|---|---|---|---|"""
_MIDDLE = """
No label has a value that a person or a caller can invent: no path, no id, no address, no provider's code.

| label | values |
|---|---|"""
_FOOT = """
What is promised on them, and what alarms when: `deploy/observability/rules`. What to do then:
[runbooks](runbooks/README.md). Pictures: `deploy/observability/dashboards`, for Grafana.
"""
