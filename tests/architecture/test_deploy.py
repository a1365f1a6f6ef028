"""What Kubernetes is told follows from the code: topics, rights, databases, routes; of a new service, too."""

import importlib
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from house_rules.workspace import REPOSITORY

from anliegen.events import ContactReceived
from anliegen.events.topics import manifest
from anliegen.kit import Handlers, Service
from anliegen.kit.service import all_services, load_service

LISTS = ("deploy/k8s/base/kustomization.yaml", "deploy/k8s/platform/services/kustomization.yaml")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The scripts, as they find each other when they run."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    names = ("deploy", "deploy_resources", "deploy_secrets", "deploy_yaml", "new_service")
    return {name: importlib.import_module(name) for name in names}


def test_generated_resources_are_up_to_date() -> None:
    command = [sys.executable, "-W", "ignore", "scripts/deploy.py", "--check"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert process.returncode == 0, process.stderr


def test_stale_and_missing_resources_are_found(scripts, tmp_path: Path, monkeypatch, capsys) -> None:
    deploy = scripts["deploy"]
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["deploy.py"])
    assert deploy.main() == 0
    monkeypatch.setattr(sys, "argv", ["deploy.py", "--check"])
    assert deploy.main() == 0
    kafka = tmp_path / "services" / all_services()[0] / "deploy" / "platform" / "kafka.yaml"
    kafka.write_text(kafka.read_text().replace("partitions: 24", "partitions: 25"))
    assert deploy.main() == 1
    kafka.unlink()
    assert deploy.main() == 1
    assert "kafka.yaml. Run: make docs" in capsys.readouterr().err


def test_every_service_is_listed() -> None:
    for file in LISTS:
        text = (REPOSITORY / file).read_text()
        assert [name for name in all_services() if f"services/{name}/deploy" not in text] == [], file
        assert text.count("services/") == len(all_services()), file


def test_rules_and_dashboards_reach_the_cluster(scripts, tmp_path: Path, monkeypatch) -> None:
    deploy = scripts["deploy"]
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    assert set(deploy.observed()) == {"kustomization.yaml"}
    for name, text in {"rules/lag.yaml": "groups:\n  - name: lag\n", "dashboards/service.json": "{}"}.items():
        place = tmp_path / "deploy" / "observability" / name
        place.parent.mkdir(parents=True)
        place.write_text(text)
    found = deploy.observed()
    assert "name: anliegen-lag\n" in found["prometheusrules.yaml"]
    assert found["prometheusrules.yaml"].endswith("spec:\n  groups:\n    - name: lag\n")
    assert "  - prometheusrules.yaml\n" in found["kustomization.yaml"]
    assert "      - dashboards/service.json\n" in found["kustomization.yaml"]
    assert 'grafana_dashboard: "1"' in found["kustomization.yaml"]


def test_every_topic_belongs_to_one_service(scripts) -> None:
    found = [
        spec for name in all_services() for spec in scripts["deploy_resources"].needs_of(load_service(name)).own_topics
    ]
    assert sorted(found, key=lambda spec: spec.name) == manifest("production")


def toy(handlers: Handlers) -> Service:
    return Service(name="helpdesk", title="Toy", description="Toy.", handlers=handlers)


def operations(user: dict) -> dict[str, list[str]]:
    """What a user may do, by the name of the resource."""
    return {acl["resource"]["name"]: acl["operations"] for acl in user["spec"]["authorization"]["acls"]}


def test_user_may_do_what_its_handlers_do_and_no_more(scripts) -> None:
    handlers = Handlers("helpdesk")

    @handlers.on(ContactReceived)
    async def open_toy(event, tx) -> None:
        """A contact opens a toy."""

    found = operations(scripts["deploy_resources"].user(scripts["deploy_resources"].needs_of(toy(handlers))))
    reads, writes = ["Describe", "DescribeConfigs", "Read"], ["Describe", "DescribeConfigs", "Read", "Write"]
    assert found == {
        "anliegen.helpdesk": writes,
        "anliegen.helpdesk.words": writes,
        "anliegen.intake": reads,
        "anliegen.intake.words": reads,
        "helpdesk": ["Read"],
    }


def test_reader_of_partners_may_read_all_of_their_topics(scripts) -> None:
    resources = scripts["deploy_resources"]
    needs = resources.needs_of(load_service("intake"))
    assert needs.hears_partners
    assert "Write" not in operations(resources.user(needs))["anliegen.partner."]
    assert "anliegen.partner." not in operations(resources.user(replace(needs, hears_partners=False)))


def test_streams_have_a_route_that_lasts(scripts) -> None:
    resources = scripts["deploy_resources"]
    timeouts = {
        name: [
            rule["timeouts"]["request"]
            for rule in resources.route(resources.needs_of(load_service(name)))["spec"]["rules"]
        ]
        for name in ("helpdesk", "journey")
    }
    assert timeouts == {"helpdesk": ["60s"], "journey": ["20m", "60s"]}


def test_workers_never_outnumber_partitions(scripts) -> None:
    resources = scripts["deploy_resources"]
    partitions = {spec.partitions for spec in manifest("production")}
    for name in all_services():
        scaling = resources.scaling(resources.needs_of(load_service(name)))["spec"]
        assert scaling["minReplicaCount"] <= scaling["maxReplicaCount"] <= min(partitions)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("words with spaces", "words with spaces"),
        ("true", '"true"'),
        ("24", '"24"'),
        ("a: b", '"a: b"'),
        ("ends ", '"ends "'),
        ("{{ .password }}", '"{{ .password }}"'),
        (24, "24"),
        (True, "true"),
        ([], "[]"),
    ],
)
def test_yaml_says_what_was_meant(scripts, value, text) -> None:
    note = scripts["deploy_yaml"].NOTE
    assert scripts["deploy_yaml"].documents([{"a": value}]) == f"{note}a: {text}\n"


def test_begun_service_is_listed_among_the_others(scripts, tmp_path: Path) -> None:
    # Not the name of CONTRIBUTING's example: who follows it has that service already.
    for file in (*LISTS, "docker-compose.yml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, tmp_path / file)
    scripts["new_service"].begin("night-watch", root=tmp_path)
    scripts["new_service"].begin("aftercare", root=tmp_path)
    scripts["new_service"].begin("zoo-visits", root=tmp_path)
    for file in LISTS:
        listed = [line for line in (tmp_path / file).read_text().splitlines() if "services/" in line]
        assert listed == sorted(listed)
        assert len(listed) == len(all_services()) + 3
    before, after = ((root / "docker-compose.yml").read_text() for root in (REPOSITORY, tmp_path))
    (line,) = [text for text in after.splitlines() if text.startswith("x-services:")]
    assert line.split()[2:] == sorted([*all_services(), "night-watch", "aftercare", "zoo-visits"])
    for name in ("night-watch", "aftercare", "zoo-visits"):
        assert after.count(name) == before.count("helpdesk")
        for container in (
            f"\n  {name}-migrate:\n",
            f"\n  {name}:\n",
            f"\n  {name}-worker:\n",
            f"\nx-{name}: &{name}\n",
        ):
            assert after.count(container) == 1
    taken_out = re.sub(r"(?<=\n)(x-|  )(night-watch|aftercare|zoo-visits).*?\n\n", "", after, flags=re.DOTALL)
    assert taken_out.replace(line, next(t for t in before.splitlines() if t.startswith("x-services:"))) == before
    own = (tmp_path / "services" / "night-watch" / "deploy" / "kustomization.yaml").read_text()
    assert "namePrefix: night-watch-" in own
    assert "new-service" not in own


def test_secrets_for_a_small_cluster_are_named_and_laid_out_as_the_operators_would(scripts) -> None:
    needs = scripts["deploy_resources"].needs_of(load_service("intake"))
    by_hand = {found["metadata"]["name"]: found["stringData"] for found in scripts["deploy_secrets"].secrets_of(needs)}
    by_operators = {}
    for found in scripts["deploy_resources"].secrets(needs):
        template = found["spec"].get("target", {}).get("template", {})
        by_operators[found["metadata"]["name"]] = set(template.get("data", by_hand["intake-settings"]))
    # Without a pooler there is no address of it.
    assert {name: set(data) for name, data in by_hand.items()} == {
        n: k - {"pooled_url"} for n, k in by_operators.items()
    }
    assert by_hand["intake-database"]["url"].startswith("postgresql://intake:")
    assert len({data.get("password") for data in by_hand.values()}) == 3
