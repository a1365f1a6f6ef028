"""Alert rules and dashboards ask only for what is exported, and every alert leads to what to do about it."""

import json
from pathlib import Path

import pytest
from deploy_rules import queries

RULES = [(path.name, rule) for path in queries.rule_files() for rule in queries.rules(path)]


def test_there_are_alerts_tests_of_them_and_dashboards() -> None:
    assert any("alert" in rule for _, rule in RULES)
    assert queries.dashboards()
    tested = "".join(path.read_text("utf-8") for path in queries.rule_tests())
    assert not [rule["alert"] for _, rule in RULES if "alert" in rule and rule["alert"] not in tested]


@pytest.mark.parametrize("rule", [rule for _, rule in RULES], ids=[r.get("alert") or r["record"] for _, r in RULES])
def test_a_rule_is_right(rule: queries.Rule) -> None:
    found = list(queries.wrong_rule(rule, queries.recorded()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", queries.dashboards(), ids=lambda path: path.stem)
def test_a_dashboard_is_right(path: Path) -> None:
    found = list(queries.wrong_dashboard(queries.dashboard(path), queries.recorded()))
    assert not found, "\n".join(found)


def test_what_services_export_is_known() -> None:
    assert {"outbox_pending", "events_processed_total", "event_end_to_end_seconds_bucket"} <= set(queries.exported())
    assert "consumer_last_poll_age_seconds" in queries.exported()
    assert "events_processed" not in queries.exported()
    assert queries.exported()["outbox_pending"].labels == {"service"}
    assert 30.0 in queries.exported()["event_end_to_end_seconds_bucket"].bounds


RIGHT: queries.Rule = {
    "alert": "DeadLetters",
    "expr": "max by (service) (dead_letters_unsettled) > 0",
    "labels": {"severity": "ticket"},
    "annotations": {"summary": "…", "runbook_url": "https://anliegen.example/docs/runbooks/dead-letters.md"},
}


def test_a_right_rule_is_let_through() -> None:
    assert not list(queries.wrong_rule(RIGHT, set()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expr": "max by (service) (dead_letters) > 0"}, "asks for dead_letters, which nobody exports"),
        ({"expr": "sum(rate(events_processed[5m]))"}, "asks for events_processed, which nobody exports"),
        ({"expr": "histogram_quantile(0.9, sum(rate(nothing_bucket[5m])) by (le))"}, "asks for nothing_bucket"),
        ({"expr": "outbox_pending > on(service) 1 + absent(nothing)"}, "nothing, which nobody exports"),
        ({"expr": "max by (service (outbox_pending)"}, "does not parse"),
        ({"expr": '{__name__="nothing"} > 1'}, "asks for nothing"),
        ({"expr": 'outbox_pending{servce="intake"} > 1'}, "by servce, a label it does not have"),
        ({"expr": 'rate(event_end_to_end_seconds_bucket{le="29"}[5m])'}, "up to 29, which is no bound"),
        ({"labels": {}}, "pages somebody"),
        ({"annotations": {"runbook_url": "/dead-letters.md"}}, "has no summary"),
        ({"annotations": {"summary": "…"}}, "does not lead to the runbook dead-letters.md"),
        ({"alert": "NobodyKnows", "annotations": {"summary": "…", "runbook_url": "/nobody-knows.md"}}, "is not there"),
    ],
)
def test_a_broken_rule_is_found(change: queries.Rule, message: str) -> None:
    found = list(queries.wrong_rule({**RIGHT, **change}, set()))
    assert any(message in one for one in found), found


def test_a_broken_dashboard_is_found(tmp_path: Path) -> None:
    panel = {"type": "row", "panels": [{"targets": [{"expr": "rate(nothing_total[$__rate_interval])"}]}]}
    variable = {"type": "query", "datasource": {}, "query": {"query": "label_values(gone, service)"}}
    content = {"title": "T", "panels": [panel], "templating": {"list": [variable]}}
    path = tmp_path / "dashboard.json"
    path.write_text(json.dumps(content), "utf-8")
    found = "\n".join(queries.wrong_dashboard(queries.dashboard(path), set()))
    assert "no uid" in found
    assert "asks for nothing_total" in found
    assert "asks for gone" in found
    assert "asks for nothing" in "\n".join(queries.wrong_dashboard({"uid": "u", "title": "T"}, set()))
