"""What docs/running.md says to put into the Cluster for a restore is what CloudNativePG knows."""

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml
from deploy_rules.schemas import validators

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_cluster_as_restored_is_as_its_schema_says() -> None:
    said = re.search(r"```yaml\n(.*?)```", (REPOSITORY / "docs/running.md").read_text(), re.S)
    assert said is not None
    patch: dict[str, Any] = yaml.safe_load(textwrap.dedent(said[1]))
    documents = yaml.safe_load_all((REPOSITORY / "deploy/k8s/platform/postgres/cluster.yaml").read_text())
    cluster = next(one for one in documents if one["kind"] == "Cluster")
    validator = validators()["postgresql.cnpg.io/v1/Cluster"]
    cluster["spec"] |= patch["spec"]
    assert [error.message for error in validator.iter_errors(cluster)] == []
    before, archives = patch["spec"]["externalClusters"][0]["plugin"], cluster["spec"]["plugins"][0]
    assert before["name"] == archives["name"]
    assert before["parameters"]["barmanObjectName"] == archives["parameters"]["barmanObjectName"]
    assert before["parameters"]["serverName"] == cluster["metadata"]["name"] != archives["parameters"]["serverName"]
    cluster["spec"]["bootstrap"]["recovery"]["recoverTarget"] = {}
    assert list(validator.iter_errors(cluster)), "a word that it does not know is noticed"
