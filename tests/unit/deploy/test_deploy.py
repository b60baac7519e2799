"""What is shipped for operating: manifests are valid and sound, queries name metrics that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dregsy_queue.cli.web import web
from dregsy_queue.config.load import load
from dregsy_queue.ledger.registry_limits import LONGEST_PAUSE
from dregsy_queue.registry.responses import LONGEST_WAIT
from dregsy_queue.serve.metrics import ClusterCollector
from tests.lab.processes import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
MONITORING = ROOT / "deploy" / "monitoring"


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if "apiVersion" in document:
                yield path.name, document


ALL = [pytest.param(document, id=f"{name}-{document['kind']}") for name, document in documents()]
PODS = [document for _, document in documents() if document["kind"] in ("Deployment", "StatefulSet")]


@pytest.mark.parametrize("document", ALL)
def test_valid_by_the_published_schemas(document: dict[str, Any]) -> None:
    if document["apiVersion"].startswith(("kustomize.", "keda.")):
        pytest.skip("no schema of it is published with Kubernetes")
    kubernetes_validate.validate(document, "1.37", strict=True)


COMPONENTS = sorted(path.name for path in (KUBERNETES / "components").iterdir())
#: What can be built: the base, with each component, and with all of them.
BUILDS = [(), *((name,) for name in COMPONENTS), tuple(COMPONENTS)]


@pytest.mark.parametrize("folder", ["base", *(f"components/{name}" for name in COMPONENTS)])
def test_kustomizations_name_files_that_exist(folder: str) -> None:
    document = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())
    assert (document["kind"] == "Component") == (folder != "base"), "components can be combined, overlays cannot"
    for name in document.get("resources", []):
        assert (KUBERNETES / folder / name).exists(), name
    assert "secretGenerator" not in document, "an apply never overwrites the user's config"


def built(folder: Path, components: tuple[str, ...], **more: Any) -> list[dict[str, Any]]:
    """What kustomize makes of a kustomization as a user writes it."""
    program = next((found for found in ("kustomize", "kubectl") if shutil.which(found)), None)
    if program is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    here = os.path.relpath(KUBERNETES, folder)
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "dregsy",
        "resources": [f"{here}/base"],
        "components": [f"{here}/components/{name}" for name in components],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
    command = [program, "build" if program == "kustomize" else "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("components", BUILDS, ids=lambda names: "+".join(("base", *names)))
def test_what_kustomize_makes_is_valid(components: tuple[str, ...], tmp_path: Path) -> None:
    found = built(tmp_path, components)
    for document in found:
        if not document["apiVersion"].startswith("keda."):
            kubernetes_validate.validate(document, "1.37", strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "dregsy"
        if document["kind"] in ("Deployment", "StatefulSet"):
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "dregsy-queue", "Redis answers pods with this label"
    names = {(document["kind"], document["metadata"]["name"]) for document in found}
    for kind in ("StatefulSet", "Service", "NetworkPolicy"):
        assert ((kind, "redis") in names) == ("external-redis" not in components)
    for name in ("flower", "page"):
        assert (("Deployment", name) in names) == (name in components)
    (worker,) = [found for found in found if (found["kind"], found["metadata"]["name"]) == ("Deployment", "worker")]
    assert ("replicas" in worker["spec"]) == ("autoscaling" not in components), "one master of the number of workers"


def test_the_kustomizations_of_the_docs_can_be_built(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    kustomizations = [block for block in blocks if block.get("kind") == "Kustomization"]
    patches = [patch for block in blocks for patch in block.get("patches", [])]
    images = [image for block in kustomizations for image in block["images"]]
    components = tuple(name.rpartition("/")[2] for block in kustomizations for name in block["components"])
    assert set(components) == set(COMPONENTS), "the docs name each component"
    found = built(tmp_path, components, images=images, patches=patches)
    pods = [document for document in found if document["kind"] == "Deployment"]
    wanted = f"{images[0]['newName']}:{images[0]['newTag']}"
    assert {pod["spec"]["template"]["spec"]["containers"][0]["image"] for pod in pods} == {wanted}
    by_name = {(document["kind"], document["metadata"]["name"]): document for document in found}
    assert by_name["ServiceAccount", "worker"]["metadata"]["annotations"]
    assert by_name["NetworkPolicy", "page"]["spec"]["ingress"], "the Ingress' pods reach the page"


def test_the_page_is_served_for_whom_the_network_policy_lets_in() -> None:
    page = next(document["spec"] for document in PODS if document["metadata"]["name"] == "page")
    (container,) = page["template"]["spec"]["containers"]
    arguments = container["args"][2:]
    options = {option: command.opts for command in web.params for option in command.opts}
    assert container["args"][:2] == ["dregsy", "web"] and arguments[0] in options
    port = next(command.default for command in web.params if command.name == "port")
    assert container["ports"] == [{"name": "page", "containerPort": port}]
    # While Redis is away the page says so: a probe that asked for it would take it out of its Service.
    assert "httpGet" not in container["readinessProbe"]
    (policy,) = [found for name, found in documents() if name == "page.yaml" and found["kind"] == "NetworkPolicy"]
    assert "ingress" not in policy["spec"]


@pytest.mark.parametrize("document", PODS, ids=lambda document: str(document["metadata"]["name"]))
def test_pods_have_no_more_rights_than_they_need(document: dict[str, Any]) -> None:
    pod = document["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"] and rights["capabilities"] == {"drop": ["ALL"]}
        assert rights["allowPrivilegeEscalation"] is False
        assert "memory" in container["resources"]["limits"] and "cpu" in container["resources"]["requests"]
        arguments = container.get("args", [])
        if "--maxmemory" in arguments:
            full = int(arguments[arguments.index("--maxmemory") + 1].removesuffix("mb"))
            limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
            assert full < 0.7 * limit, "Redis refuses before the kernel ends it"
        assert "readinessProbe" in container and "livenessProbe" in container


def test_schedulers_stand_by_and_workers_end_in_peace() -> None:
    by_name = {document["metadata"]["name"]: document["spec"] for document in PODS}
    assert by_name["scheduler"]["replicas"] == 2
    for name in ("scheduler", "worker"):
        (container,) = by_name[name]["template"]["spec"]["containers"]
        assert container["readinessProbe"]["exec"]["command"] == ["dregsy", "health", name]
        # Redis away is no reason to end transfers that run.
        assert container["livenessProbe"]["exec"]["command"] == ["dregsy", "health", name, "--liveness"]
    base = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())
    environment = dict(item.split("=", 1) for item in base["configMapGenerator"][0]["literals"])
    grace = by_name["worker"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > int(environment["DREGSY_GRACE"]) + 10


class _Nothing:
    """An overview of an empty cluster, to learn the names of all metrics."""

    def __getattr__(self, name: str) -> Any:
        if name == "repairs":
            return lambda: 0
        return lambda *_: {} if name in ("states", "transfers", "transferred_bytes", "scheduled") else []


def metric_names() -> set[str]:
    names = set()
    for metric in ClusterCollector(_Nothing()).collect():  # type: ignore[arg-type]
        suffixes = {"counter": ["_total"], "summary": ["_sum", "_count"]}.get(metric.type, [""])
        names |= {metric.name + suffix for suffix in suffixes}
    return names


def expressions() -> list[tuple[str, str]]:
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    found = [(rule["alert"], rule["expr"]) for rule in rules]
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    found += [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]
    scaled = yaml.safe_load((KUBERNETES / "components" / "autoscaling" / "scaled-object.yaml").read_text())
    return [*found, ("scaling", scaled["spec"]["triggers"][0]["metadata"]["query"])]


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_queries_name_metrics_that_exist(where: str, expression: str) -> None:
    named = set(re.findall(r"dregsy_\w+", expression))
    assert named and named <= metric_names(), where


def test_alerts_fire_when_they_should() -> None:
    """By Prometheus' own program (Debian has it in the package prometheus)."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    tests = sorted(MONITORING.glob("*.test.yaml"))
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", *(path.name for path in tests)]):
        done = subprocess.run([program, *command], cwd=MONITORING, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_registry_that_refuses_for_hours_is_told() -> None:
    """Each pause is bounded, so that what is left of it falls below any limit before the next one begins."""
    expression = dict(expressions())["RegistryIsPaused"]
    found = re.fullmatch(r"max_over_time\(dregsy_registry_paused_seconds\[(\d+)m\]\) > (\d+)", expression)
    assert found and int(found[1]) * 60 > 1.25 * LONGEST_PAUSE, "between two long pauses there is no gap"
    assert int(found[2]) < 0.75 * LONGEST_PAUSE - 60 and int(found[2]) < LONGEST_WAIT - 60, "a scrape a minute sees it"


def test_each_alert_is_tested() -> None:
    tested = [test for path in MONITORING.glob("*.test.yaml") for test in yaml.safe_load(path.read_text())["tests"]]
    named = {alert["alertname"] for test in tested for alert in test["alert_rule_test"] if alert["exp_alerts"]}
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == named


def test_every_metric_is_in_the_docs_and_every_alert_has_a_runbook() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    named = set(re.findall(r"\bdregsy_\w+", text)) - {"dregsy_queue"}
    assert named == metric_names()
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    runbook = (ROOT / "docs" / "operations.md").read_text()
    assert {rule["alert"] for rule in rules} == set(re.findall(r"^### (\w+)$", runbook, re.MULTILINE))


def test_compose_names_files_that_exist() -> None:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert {"redis", "scheduler", "worker", "flower", "page", "metrics"} <= set(document["services"])
    default = re.search(r":-(.*)}", document["secrets"]["dregsy-config"]["file"])
    assert default and not load(Path(ROOT / default[1])).warnings
