"""Every overlay of deploy/k8s, and docker-compose.yml, held against schemas and rules."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from deploy_rules import compose, environment, messages, queries, workloads
from deploy_rules.product import Product
from deploy_rules.rendered import ROOT, Overlay, rendered
from deploy_rules.schemas import as_the_schema_says

OVERLAYS = sorted(path.parent.name for path in (ROOT / "deploy/k8s/overlays").glob("*/kustomization.yaml"))
Rule = Callable[[Any, Product], Iterable[str]]
RULES: tuple[Rule, ...] = (*workloads.RULES, *messages.RULES, *environment.RULES, queries.scaling_queries)


def test_there_are_overlays() -> None:
    assert {"dev", "staging", "production", "single-node"} <= set(OVERLAYS)


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_schemas_hold(overlays: dict[str, Overlay], name: str) -> None:
    found = list(as_the_schema_says(overlays[name]))
    assert not found, "\n".join(found)


def test_the_schemas_hold_for_gitops(tools: None) -> None:
    assert not list(as_the_schema_says(rendered(ROOT / "deploy/gitops/argocd")))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", OVERLAYS)
def test_the_rules_hold(overlays: dict[str, Overlay], product: Product, name: str, rule: Rule) -> None:
    found = list(rule(overlays[name], product))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("rule", compose.RULES, ids=lambda rule: rule.__name__)
def test_the_rules_hold_for_compose(product: Product, rule: Rule) -> None:
    found = list(rule(compose.read(ROOT / "docker-compose.yml"), product))
    assert not found, "\n".join(found)
