"""What other makers' tools say: kube-score of the overlays, hadolint of the Dockerfiles, promtool of the rules."""

import copy
import subprocess
from pathlib import Path

import pytest
import yaml
from deploy_rules import queries
from deploy_rules.rendered import ROOT, RUNNING, Overlay, pod_of

from scripts.deploy_tools import tool

NOT_ASKED = {
    "container-image-pull-policy": "images have versions, and are not fetched anew at each start",
    "container-security-context-user-group-id": "the rule `least_rights` asks for it, of our own images",
    "pod-probes-identical": "ours ask different paths; servers of others have one question, asked with more patience",
    "networkpolicy-targets-pod": "the pods of Kafka, PostgreSQL and the gateway are made by their operators",
    "container-security-context-readonlyrootfilesystem": "the rule `least_rights` asks for it and names the exceptions",
}
"""What kube-score is not asked, and why."""


def scores(overlay: Overlay) -> list[str]:
    """What kube-score says of each resource of Kubernetes' own: `[OK] …`, `[CRITICAL] …`."""
    own = [one for one in overlay.resources if "." not in one["apiVersion"] or "k8s.io" in one["apiVersion"]]
    said = subprocess.run(
        [
            *(tool("kube-score"), "score", "-", "--output-format=ci", "--kubernetes-version=v1.37"),
            "--ignore-container-cpu-limit",  # it would only make answers late
            *(f"--ignore-test={name}" for name in NOT_ASKED),
        ],
        input=yaml.dump_all(own, Dumper=yaml.CSafeDumper),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout, said.stderr
    return said.stdout.splitlines()


@pytest.mark.parametrize("name", ["dev", "staging", "production", "single-node"])
def test_kube_score_finds_nothing_critical(overlays: dict[str, Overlay], name: str) -> None:
    said = scores(overlays[name])
    assert not [line for line in said if line.startswith("[CRITICAL]")]
    assert sum(line.startswith("[OK]") for line in said) >= len(overlays[name].of_kind(*RUNNING))


def test_kube_score_finds_a_broken_copy(overlays: dict[str, Overlay]) -> None:
    broken = Overlay("broken", copy.deepcopy(overlays["production"].resources))
    for workload in broken.of_kind("Deployment"):
        pod_of(workload)["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    assert any("[CRITICAL]" in line and "privileged" in line for line in scores(broken))


@pytest.mark.parametrize("path", sorted(ROOT.glob("**/*ockerfile")), ids=lambda path: path.name)
def test_hadolint_finds_nothing(tools: None, path: Path) -> None:
    said = subprocess.run([tool("hadolint"), "--no-color", str(path)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_hadolint_finds_a_broken_copy(tools: None, tmp_path: Path) -> None:
    broken = tmp_path / "Dockerfile"
    broken.write_text("FROM debian:latest\nRUN sudo apt-get install python3\n")
    said = subprocess.run([tool("hadolint"), "--no-color", str(broken)], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "DL3007" in said.stdout


def test_promtool_takes_the_rules(tools: None) -> None:
    said = subprocess.run(
        [tool("promtool"), "check", "rules", *queries.rule_files()], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("path", queries.rule_tests(), ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(tools: None, path: Path) -> None:
    """Half a minute is enough for a file: what takes days is tested with an `evaluation_interval` of hours."""
    said = subprocess.run(
        [tool("promtool"), "test", "rules", path], capture_output=True, text=True, check=False, timeout=30
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_promtool_finds_a_rule_that_does_not_fire(tools: None, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "groups: [{name: g, rules: [{alert: Silent, expr: outbox_pending > 10, labels: {severity: page}}]}]"
    )
    (tmp_path / "test.yaml").write_text(
        "rule_files: [rules.yaml]\ntests: [{interval: 1m, input_series: [{series: outbox_pending, values: 5x5}],"
        " alert_rule_test: [{eval_time: 2m, alertname: Silent, exp_alerts: [{exp_labels: {severity: page}}]}]}]"
    )
    said = subprocess.run(
        [tool("promtool"), "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.returncode == 1
    assert "Silent" in said.stdout + said.stderr
