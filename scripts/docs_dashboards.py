"""Grafana's dashboards, from what deploy/observability/dashboards.yaml says they show. `make docs` writes them.

They are written and not drawn, so that panels never overlap, colours and units agree, and no service is named: whoever
adds a service finds it in the variable `service`. For Grafana 11 or newer, with one Prometheus as data source.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

WIDTH = 24
HEIGHT = 8
DECLARED = Path(__file__).resolve().parent.parent / "deploy" / "observability" / "dashboards.yaml"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """A chart, or with `kind="stat"` a number: its title, unit as Grafana names it, and legends with their queries."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    about: str = ""
    width: int = 8
    kind: str = "timeseries"
    stacked: bool = False
    red_from: float | None = None


@dataclass(frozen=True)
class Dashboard:
    """Rows of panels; `by_service` where the reader chooses services."""

    name: str
    title: str
    about: str
    rows: dict[str, Sequence[Panel]]
    by_service: bool = True
    since: str = "now-3h"


def declared() -> list[Dashboard]:
    """The dashboards as dashboards.yaml declares them. Raises TypeError for a word that it does not know."""
    found = []
    for one in yaml.safe_load(DECLARED.read_text("utf-8")):
        rows = {
            row["title"]: [Panel(**{**panel, "queries": tuple(panel["queries"].items())}) for panel in row["panels"]]
            for row in one.pop("rows")
        }
        found.append(Dashboard(**one, rows=rows))
    return found


def dashboards() -> dict[str, str]:
    """The text of every dashboard's file, by the file's name."""
    all_of_them = declared()
    names = [one.name for one in all_of_them]
    return {f"{d.name}.json": json.dumps(written(d, names), indent=1, ensure_ascii=False) + "\n" for d in all_of_them}


def written(dashboard: Dashboard, names: Sequence[str]) -> Json:
    """A dashboard as Grafana reads it, with links to the others of these names."""
    return {
        "uid": f"anliegen-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["anliegen"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": dashboard.since, "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "annotations": {"list": []},
        "links": [_link(name) for name in names if name != dashboard.name],
        "templating": {"list": [*_variables(dashboard)]},
        "panels": [*_panels(dashboard)],
    }


def _link(name: str) -> Json:
    return {
        "type": "link", "title": name, "url": f"/d/anliegen-{name}", "keepTime": True, "includeVars": True,
        "asDropdown": False, "icon": "dashboard", "tags": [], "targetBlank": False, "tooltip": "",
    }  # fmt: skip


def _variables(dashboard: Dashboard) -> Iterator[Json]:
    yield {
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1,
        "hide": 0, "includeAll": False, "multi": False, "options": [], "regex": "", "skipUrlSync": False, "current": {},
    }  # fmt: skip
    if dashboard.by_service:
        query = "label_values(db_pool_size, service)"
        yield {
            "name": "service", "label": "Service", "type": "query", "datasource": SOURCE, "definition": query,
            "query": {"query": query, "refId": "service"}, "refresh": 2, "sort": 1, "hide": 0, "includeAll": True,
            "allValue": ".+", "multi": True, "options": [], "regex": "", "skipUrlSync": False,
            "current": {"text": ["All"], "value": ["$__all"]},
        }  # fmt: skip


def _panels(dashboard: Dashboard) -> Iterator[Json]:
    number = top = 0
    for title, panels in dashboard.rows.items():
        number += 1
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        top, left = top + 1, 0
        for panel in panels:
            if left + panel.width > WIDTH:
                top, left = top + HEIGHT, 0
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left += panel.width
        top += HEIGHT


def _panel(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    custom = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 20 if panel.stacked else 0, "showPoints": "never",
        "spanNulls": False, "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if panel.red_from is None else "line"},
    }  # fmt: skip
    is_stat = panel.kind == "stat"
    defaults: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if is_stat:
        defaults |= {"color": {"mode": "thresholds"}, "decimals": 2}
    else:
        defaults |= {"color": {"mode": "palette-classic"}, "min": 0, "custom": custom}
    stat = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
        "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
    }  # fmt: skip
    chart = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": stat if is_stat else chart,
        "targets": [
            {
                "refId": chr(ord("A") + place), "datasource": SOURCE, "expr": query, "legendFormat": legend,
                "editorMode": "code", "range": True, "instant": False,
            }
            for place, (legend, query) in enumerate(panel.queries)
        ],
    }  # fmt: skip
