"""Every alarm leads to a page that says what to do, every page has an alarm, and dashboards can be looked at."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_rules import queries
from deploy_rules.rendered import ROOT

ALERTS = [rule for path in queries.rule_files() for rule in queries.rules(path) if "alert" in rule]
PARTS = ("What customers notice", "Look", "Over")
SLOS = {"api-errors": 0.001, "api-slow": 0.05, "events-late": 0.005, "messages-invisible": 0.01, "replies-late": 0.01}
"""The share of bad events that each objective allows."""


def page_of(alert: queries.Rule) -> Path:
    return queries.RUNBOOKS / Path(alert["annotations"]["runbook_url"]).name


def pages() -> list[Path]:
    return sorted(path for path in queries.RUNBOOKS.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("page", sorted({page_of(alert) for alert in ALERTS}), ids=lambda page: page.stem)
def test_a_runbook_says_what_is_noticed_how_to_look_and_when_it_is_over(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [part for part in PARTS if f"\n## {part}\n" not in text] == []
    assert re.search(r"^# .+\n\n\S", text), "it begins with what it means"


def test_every_runbook_belongs_to_an_alarm_or_is_linked_from_one() -> None:
    belong = {page_of(alert) for alert in ALERTS}
    linked = {
        (page.parent / name).resolve()
        for page in belong
        for name in re.findall(r"\]\(([\w-]+\.md)\)", page.read_text())
    }
    assert [page.name for page in pages() if page not in belong | linked] == []


def test_queries_on_runbooks_ask_for_what_is_exported() -> None:
    wrong = []
    for page in pages():
        for block in re.findall(r"```promql\n(.*?)```", page.read_text("utf-8"), re.S):
            for line in block.splitlines():
                found = queries.wrong_query(line.partition("#")[0].strip(), queries.recorded())
                wrong += [f"{page.name}: {one}" for one in found]
    assert wrong == []


def test_logs_on_runbooks_are_those_of_all_pods() -> None:
    """`kubectl logs deployment/…` shows one pod of several, and says so only in passing."""
    wrong = [
        f"{page.name}: {line}"
        for page in pages()
        for line in page.read_text("utf-8").splitlines()
        if re.search(r"\blogs (deployment|statefulset)/", line) and "--all-pods" not in line
    ]
    assert wrong == []


@pytest.mark.parametrize("slo", SLOS)
def test_an_objective_burns_at_three_rates(slo: str) -> None:
    rules = {rule["labels"]["window"]: rule for rule in ALERTS if f'slo="{slo}"' in rule["expr"]}
    for window, short, factor, severity in (
        ("1h", "5m", "14.4", "page"),
        ("6h", "30m", "6", "page"),
        ("3d", "2h", "1", "ticket"),
    ):
        rule = rules.pop(window)
        budget = f"> {factor} * {SLOS[slo]}"
        assert rule["labels"]["severity"] == severity
        assert f'ratio_rate{window}{{slo="{slo}"}} {budget}' in rule["expr"]
        assert f'ratio_rate{short}{{slo="{slo}"}} {budget}' in rule["expr"]
    assert not rules


def overlapping(panels: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Panels that lie on each other, by title."""

    def apart(one: dict[str, int], other: dict[str, int]) -> bool:
        return (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )

    return [(a["title"], b["title"]) for a, b in combinations(panels, 2) if not apart(a["gridPos"], b["gridPos"])]


@pytest.mark.parametrize("path", queries.dashboards(), ids=lambda path: path.stem)
def test_a_dashboard_can_be_looked_at(path: Path) -> None:
    dashboard = queries.dashboard(path)
    panels = dashboard["panels"]
    assert overlapping(panels) == []
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert variables[0] == "datasource"
    for panel in panels:
        assert panel["title"]
        assert panel["type"] in {"row", "timeseries", "stat"}
        if panel["type"] != "row":
            assert panel["targets"]
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert ("$service" not in str(panel["targets"])) or "service" in variables


def test_panels_that_overlap_are_found() -> None:
    one = {"title": "a", "gridPos": {"x": 0, "y": 0, "w": 8, "h": 8}}
    beside = {"title": "b", "gridPos": {"x": 8, "y": 0, "w": 8, "h": 8}}
    over = {"title": "c", "gridPos": {"x": 7, "y": 7, "w": 8, "h": 8}}
    assert overlapping([one, beside]) == []
    assert overlapping([one, beside, over]) == [("a", "c"), ("b", "c")]


def test_compose_names_no_service_to_prometheus() -> None:
    text = (ROOT / "deploy" / "observability" / "prometheus.yaml").read_text("utf-8")
    named = [folder.name for folder in (ROOT / "services").iterdir() if re.search(rf"\b{folder.name}\b", text)]
    assert named == []
    jobs = {job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]}
    assert all(re.fullmatch(r"(anliegen/)?anliegen.*", job) for job in jobs), "TargetDown looks at them"
