"""Write what Kubernetes is told of each service and follows from its code: topics, who may read and write them, its
database, its passwords, its routes, how far its workers scale.

`make docs` runs it; `--check` writes nothing and fails where something is out of date. What it writes lies in
`services/<name>/deploy/platform` and, for all together, in deploy/k8s.
"""

import argparse
import logging
import sys
from pathlib import Path
from textwrap import indent

import deploy_resources as resources
from deploy_resources import Needs, needs_of
from deploy_yaml import NOTE, documents

from anliegen.events.topics import manifest
from anliegen.kit.service import Service, all_services, load_service

ROOT = Path(__file__).resolve().parent.parent


def files_of(needs: Needs) -> dict[str, str]:
    """The files of the service's folder `deploy/platform`, by name."""
    content = {
        "kafka.yaml": [*resources.topics(needs), resources.user(needs)],
        "postgres.yaml": list(resources.database(needs)),
        "secrets.yaml": list(resources.secrets(needs)),
        "route.yaml": [resources.route(needs)],
        "scaling.yaml": [resources.scaling(needs)],
    }
    whole = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(content),
    }
    return {name: documents(content[name]) for name in content} | {"kustomization.yaml": documents([whole])}


def development_topics() -> str:
    """What turns every topic into one of a development machine's size, as the manifest says."""
    spec = manifest("development")[0]
    patch = [
        {"op": "replace", "path": "/spec/partitions", "value": spec.partitions},
        {"op": "replace", "path": "/spec/replicas", "value": spec.replication},
        {
            "op": "replace",
            "path": "/spec/config/min.insync.replicas",
            "value": str(spec.min_insync_replicas),
        },
    ]
    return documents([patch])


def topic_list() -> str:
    """All topics in production's cut for a cluster without operators: name, partitions, retention in milliseconds."""
    rows = [f"{spec.name} {spec.partitions} {spec.config['retention.ms']}\n" for spec in manifest("production")]
    return NOTE + "".join(rows)


def observed() -> dict[str, str]:
    """What Kubernetes is told of rules and dashboards, which are plain files for others as well, by file."""
    folder = ROOT / "deploy" / "observability"
    rules = sorted(folder.glob("rules/*.yaml"))
    dashboards = sorted(folder.glob("dashboards/*.json"))
    whole: dict[str, object] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["podmonitors.yaml", *(["prometheusrules.yaml"] if rules else [])],
    }
    if dashboards:
        whole["generatorOptions"] = {"disableNameSuffixHash": True, "labels": {"grafana_dashboard": "1"}}
        whole["configMapGenerator"] = [
            {"name": f"anliegen-dashboard-{path.stem}", "files": [f"dashboards/{path.name}"]} for path in dashboards
        ]
    files = {"kustomization.yaml": documents([whole])}
    if rules:
        files["prometheusrules.yaml"] = NOTE + "---\n".join(prometheus_rule(path) for path in rules)
    return files


def prometheus_rule(path: Path) -> str:
    """A file of Prometheus' rules as the resource that its operator reads: the same text, further in."""
    metadata = {"name": f"anliegen-{path.stem}", "labels": {"app.kubernetes.io/part-of": "anliegen"}}
    head = documents([{"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata}])
    return head.removeprefix(NOTE) + "spec:\n" + indent(path.read_text("utf-8"), "  ")


def wanted(services: list[Service]) -> dict[Path, str]:
    """Every file that follows from these services, with its text."""
    files = {
        ROOT / "services" / service.name / "deploy" / "platform" / name: text
        for service in services
        for name, text in files_of(needs_of(service)).items()
    }
    files |= {ROOT / "deploy" / "observability" / name: text for name, text in observed().items()}
    files[ROOT / "deploy" / "k8s" / "components" / "development-topics" / "patch.yaml"] = development_topics()
    files[ROOT / "deploy" / "k8s" / "components" / "single-node" / "topics.txt"] = topic_list()
    return files


def main() -> int:
    """Write or check everything; the exit code is 1 where something is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is out of date")
    check = parser.parse_args().check
    logging.disable(logging.WARNING)
    result = 0
    for path, text in wanted([load_service(name) for name in all_services()]).items():
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        if check:
            result = 1
            print(f"Out of date: {path.relative_to(ROOT)}. Run: make docs", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"Wrote {path.relative_to(ROOT)}")
    return result


if __name__ == "__main__":
    sys.exit(main())
