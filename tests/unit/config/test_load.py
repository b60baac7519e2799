"""Loading: what dregsy accepts is accepted, everything else is told with its line and key."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dregsy_queue.config.load import ConfigError, LoadedConfig, load
from dregsy_queue.config.schema import schema
from dregsy_queue.config.selection import select_tasks, task_fingerprint

ROOT = Path(__file__).parents[3]
Loads = Callable[[str], LoadedConfig]
TASK = "tasks:\n- {name: t, source: {registry: a}, target: {registry: b}, mappings: [{from: x}]}\n"


@pytest.fixture
def loads(tmp_path: Path) -> Loads:
    def load_text(text: str) -> LoadedConfig:
        path = tmp_path / "c.yaml"
        path.write_text(text)
        return load(path)

    return load_text


def problems(loads: Loads, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    return [f"{problem.line} {problem.key_path}: {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize("name", ["quickstart.yaml", "dregsy.yaml"])
def test_the_shipped_configs_are_good(name: str) -> None:
    loaded = load(ROOT / "config" / name)
    assert loaded.config.tasks and not loaded.warnings


def test_the_shipped_schema_is_current() -> None:
    assert (ROOT / "config" / "dregsy.schema.json").read_text() == schema(), "run 'make schema'"
    properties = json.loads(schema())["$defs"]["Location"]["properties"]
    assert "skip-tls-verify" in properties and "skip_tls_verify" not in properties


def test_every_key_is_explained() -> None:
    document = json.loads(schema())
    models = [document, *document["$defs"].values()]
    keys = {key for model in models for key in model.get("properties", {})}
    example = (ROOT / "config" / "dregsy.yaml").read_text()
    page = (ROOT / "docs" / "reference" / "config-keys.md").read_text()
    assert {"relay", "keep-images", "reserve", "platform", "aws-role-arn"} <= keys
    assert [key for key in sorted(keys) if f"{key}:" not in example] == []
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}[`:.]", page)] == []


def test_defaults(loads: Loads) -> None:
    config = loads(TASK).config
    assert (config.relay, config.skopeo.binary, config.skopeo.certs_dir) == (
        "docker",
        "skopeo",
        "/etc/skopeo/certs.d",
    )
    assert (config.lister.max_items, config.lister.cache_duration, config.watch) == (100, 3600, None)
    task = config.tasks[0]
    assert (task.interval, task.verbose, task.priority, task.relay) == (0, False, 5, "docker")
    assert not task.source.skip_tls_verify and task.source.credentials is None and not task.source.anonymous
    assert loads("").config.tasks == [] and loads("tasks:\n").config.tasks == []


def test_a_key_without_value_is_left_out(loads: Loads) -> None:
    config = loads(
        "relay:\nwatch:\nskopeo: {binary: }\ndocker: {dockerhost: , keep-images: }\n"
        "lister: {maxItems: , cacheDuration: }\nregistries: {a: , b: {transfers: , ca: , endpoint: }}\n"
        + TASK.replace("name: t", "name: t, interval: , priority: , verbose: ").replace("from: x", "from: x, tags: ")
    ).config
    task = config.tasks[0]
    assert (task.interval, task.priority, task.verbose, task.mappings[0].tags) == (0, 5, False, [])
    assert (config.lister.max_items, config.lister.cache_duration, config.watch) == (100, 3600, None)
    assert config.docker and (config.docker.dockerhost, config.docker.keep_images) == (
        "unix:///var/run/docker.sock",
        True,
    )
    assert config.registries["a"] == config.registries["b"]


def test_zero_stands_for_the_default_of_listers(loads: Loads) -> None:
    lister = loads("lister: {maxItems: 0, cacheDuration: 0}").config.lister
    assert (lister.max_items, lister.cache_duration) == (100, 3600)


def test_auth_refresh_is_an_hour_at_least(loads: Loads) -> None:
    source = "registry: 123456789012.dkr.ecr.eu-west-1.amazonaws.com, auth-refresh: "
    for given, seconds in (("10m", 3600), ("0", 3600), ("-5m", 3600), ("60", 3600), ("10h", 36000)):
        loaded = loads(TASK.replace("registry: a", source + given))
        assert loaded.config.tasks[0].source.auth_refresh == seconds
        assert bool(loaded.warnings) == (seconds == 3600)


def test_text_stays_as_it_is_written(loads: Loads) -> None:
    text = TASK.replace("from: x", "from: 1.10, tags: [1.10, on, 0x10, 2021-01-02, latest]")
    mapping = loads(text).config.tasks[0].mappings[0]
    assert (mapping.from_, mapping.tags) == ("1.10", ["1.10", "on", "0x10", "2021-01-02", "latest"])


def test_anchors_aliases_and_merge_keys(loads: Loads) -> None:
    config = loads(
        """
x-base: &base {registry: a, skip-tls-verify: yes}
tasks:
- name: t
  source: *base
  target: {<<: *base, registry: b}
  mappings: [{from: x}]
"""
    ).config
    task = config.tasks[0]
    assert (task.source.registry, task.target.registry, task.target.skip_tls_verify) == ("a", "b", True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("30", 30), ("+30", 30), ("0x3c", 60), ("0X3C", 60), ("1_000", 1000), ("074", 60), ("0o74", 60), ("0b111100", 60)]
    + [("45.9", 45), ("45.", 45), ("6e1", 60), ("6.05e+1", 60), ("0900", 900), (".5", 0), ("-0.5", 0), ("~", 0)],
)
def test_whole_numbers_as_yaml_has_them(loads: Loads, text: str, value: int) -> None:
    assert loads(TASK.replace("name: t", f"name: t, interval: {text}")).config.tasks[0].interval == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("'1h30m'", 5400), ("1.5h", 5400), ("60", 6e-8), ("0x3c", 6e-8), ("1_000", 1e-6), ("1.9", 1e-9)]
    + [("-1", -1e-9), ("-5m", -300), ("0", 3600), ("'0'", 3600), ("0s", 3600), ("~", 3600)],
)
def test_durations_with_unit_or_in_nanoseconds(loads: Loads, text: str, seconds: float) -> None:
    lister = loads(f"lister: {{cacheDuration: {text}}}").config.lister
    assert lister.cache_duration == pytest.approx(seconds, rel=1e-6)


@pytest.mark.parametrize("text", ["'60'", "'1.5'", "5d", "yes", "1h 30m", "[1h]", "{}"])
def test_no_durations(loads: Loads, text: str) -> None:
    (problem,) = problems(loads, f"lister: {{cacheDuration: {text}}}")
    assert problem.startswith("1 lister.cacheDuration: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("yes", True), ("Yes", True), ("ON", True), ("y", True), ("Y", True), ("False", False)]
    + [("no", False), ("off", False), ("n", False), ("~", None)],
)
def test_booleans_of_yaml_1_1(loads: Loads, text: str, value: bool | None) -> None:
    assert loads(f"watch: {text}").config.watch is value


@pytest.mark.parametrize("text", ["'yes'", '"true"', "1", "0", "yEs", "enabled", "[]"])
def test_no_booleans(loads: Loads, text: str) -> None:
    assert problems(loads, f"watch: {text}") == ["1 watch: must be true or false, without quotes"]


@pytest.mark.parametrize("text", ["---\nwatch: x\n", "---\nother: [\n", "...\n"])
def test_only_the_first_document_counts(loads: Loads, text: str) -> None:
    assert [task.name for task in loads(f"---\n{TASK}{text}").config.tasks] == ["t"]


@pytest.mark.parametrize(
    ("insert", "expected"),
    [
        ("interval: '30'", "2 tasks[0].interval: must be a whole number"),
        ("interval: 60s", "2 tasks[0].interval: must be a whole number"),
        ("interval: 30m", "2 tasks[0].interval: must be a whole number"),
        ("interval: ''", "2 tasks[0].interval: must be a whole number"),
        ("interval: yes", "2 tasks[0].interval: must be a whole number"),
        ("interval: .inf", "2 tasks[0].interval: must be a whole number"),
        ("interval: 1e30", "2 tasks[0].interval: is too large"),
        ("interval: 1", "2 tasks[0].interval: interval is 1 s: minimum task interval is 30 seconds"),
        ("interval: 29", "2 tasks[0].interval: interval is 29 s: minimum task interval is 30 seconds"),
        ("interval: -10", "2 tasks[0].interval: interval is -10: task interval needs to be 0 or a positive"),
        ("verbose: 'yes'", "2 tasks[0].verbose: must be true or false"),
        ("priority: 10", "2 tasks[0].priority: must be at most 9"),
        ("relay: splunge", "2 tasks[0].relay: invalid relay type: 'splunge'"),
        ("interval: 99999999999", "2 tasks[0].interval: interval is 99999999999 s; the longest is"),
        (f"interval: {'9' * 400}.5", "2 tasks[0].interval: must be a whole number"),
        (f"interval: {'9' * 5000}", "2 tasks[0].interval: is too large"),
        ("PRIORITY: 60", "2 tasks[0].PRIORITY: unknown key 'PRIORITY'; did you mean 'priority'?"),
        ("verbos: ", "2 tasks[0].verbos: unknown key 'verbos'; did you mean 'verbose'?"),
        ("intervall: 60", "2 tasks[0].intervall: unknown key 'intervall'; did you mean 'interval'?"),
    ],
)
def test_bad_values_of_a_task(loads: Loads, insert: str, expected: str) -> None:
    (problem,) = problems(loads, TASK.replace("name: t", f"name: t, {insert}"))
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "source registry in task 't' invalid: location is nil"),
        ("{}", "source registry in task 't' invalid: registry not set"),
        ("{registry: }", "source registry in task 't' invalid: registry not set"),
        ("{registry: hub, auth-refresh: 10h}", "is not an ECR registry"),
        ("{registry: 'https://a'}", "without scheme and path"),
        ("{registry: a, auth: '%%%'}", "not valid base64"),
        ("{registry: a, auth: YWJj}", "decodes to neither"),
        ("{registry: a, auth: 5OQ=}", "not UTF-8"),
        ("{registry: a, lister: {}}", "is missing; it must be 'catalog'"),
        ("{registry: a, lister: {type: ecr}}", "invalid lister type: 'ecr'"),
        ("{registry: a, lister: {type: ''}}", "invalid lister type: ''"),
        ("{registry: a, listertype: catalog}", "unknown key 'listertype'"),
        ("{registry: a, auth-refresh: 0}", "is not an ECR registry"),
        ("{registry: a, auth: eyJ1c2VybmFtZSI6ICJib2IifQ==}", "'auth' holds no password"),
        ("{registry: a, auth: e30=}", "'auth' holds no password"),
        ("{registry: a, auth: YQ}", "not valid base64"),
        ("{registry: a, auth: 'Ym9iOj_-'}", "not valid base64"),
        ("{registry: a, auth: 'Ym9i Ong='}", "not valid base64"),
        ("{registry: a, auth: eyJ1c2VybmFtZSI6ICJib2IiLCAicGFzc3dvcmQiOiAxfQ==}", "that is not text"),
        ("{registry: 'https://a:5/'}", "write 'a:5'"),
        ("{registry: a/B}", "write 'a', and the path in 'from' or 'to'"),
        ("{registry: 'a/b:5000'}", "write 'a', and the path in 'from' or 'to'"),
        ("{registry: 'a:70000'}", "has no valid port"),
        ("{registry: bob@a}", "without '@'"),
        ("[]", "must be a mapping"),
    ],
)
def test_bad_locations(loads: Loads, source: str, expected: str) -> None:
    (problem,) = problems(loads, TASK.replace("source: {registry: a}", f"source: {source}"))
    assert expected in problem and problem.startswith("2 tasks[0].source")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relay: splunge\n", "1 relay: invalid relay type: 'splunge'"),
        ("relay: skopeo\ndockerhost: tcp://x\n", "2 dockerhost: setting 'dockerhost' implies 'docker' relay"),
        ("tasks:\n- \n", "2 tasks[0]: a task must be a mapping"),
        ("tasks: x\n", "1 tasks: must be a list"),
        ("- a\n", "1 : must be a mapping with keys"),
        ("tasks: [\n", "2 : not valid YAML"),
        ("a: b: c\n", "1 : not valid YAML"),
        ("relay: skopeo\nrelay: skopeo\n", "2 relay: 'relay' stands here and in line 1"),
        ("registries: {a: {transfers: 5}}\n", "1 registries.a.transfers: '5' is not a rate"),
        ("registries: {a: {max-concurrent: 0}}\n", "1 registries.a.max-concurrent:"),
        ("registries: {a: {endpoint: x}}\n", "1 registries.a.endpoint: 'x' is not a URL"),
        ("lister: {cacheDuration: 5d}\n", "1 lister.cacheDuration: '5d' is not a duration"),
        ("lister: {cacheDuration: '5'}\n", "1 lister.cacheDuration: '5' has no unit"),
        (TASK.replace("{from: x}", "~"), "2 tasks[0].mappings[0]: a mapping must have"),
        (TASK.replace("{from: x}", "{from: }"), "2 tasks[0].mappings[0]: mapping without 'From' path"),
        (TASK.replace("{from: x}", "{from: x, tags: latest}"), "2 tasks[0].mappings[0].tags: must be a list"),
        (TASK.replace("{from: x}", "{from: x, tags: [[a]]}"), "2 tasks[0].mappings[0].tags[0]: must be text"),
        (TASK.replace("{from: x}", "{from: [x]}"), "2 tasks[0].mappings[0].from: must be text"),
        (
            TASK.replace("{from: x}", "{from: x, tags: [semver: 1.x]}"),
            "2 tasks[0].mappings[0].tags[0]: is not text to YAML without quotes; write 'semver: 1.x' with them",
        ),
        (TASK.replace("{from: x}", "{from: x, tags: [{a: b}]}"), "2 tasks[0].mappings[0].tags[0]: must be text"),
        (
            TASK.replace("{registry: b}", "{registry: b, password: xx}"),
            "2 tasks[0].target.password: unknown key 'password'; 'auth' holds a login: base64 of {\"username\"",
        ),
        (TASK.replace("{registry: b}", "{registry: b, lister: {}}"), "2 tasks[0].target.lister.type: is missing"),
        ("relay: Skopeo\n", "1 relay: invalid relay type: 'Skopeo'"),
        ("Relay: skopeo\n", "1 Relay: unknown key 'Relay'; did you mean 'relay'?"),
        (
            TASK.replace("{from: x}", "{from: x, tags: ['keep: latest two']}"),
            "2 tasks[0].mappings[0].tags[0]: tag 'keep",
        ),
        (TASK.replace("{from: x}", "{from: a, platform: all}"), "2 tasks[0].mappings[0].platform: relay 'docker' does"),
    ],
)
def test_bad_files(loads: Loads, text: str, expected: str) -> None:
    found = problems(loads, text)
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ("from: x, to: Mirror/x", "to"),
        ("from: x, to: /mirror/-x", "to"),
        ("from: x, to: mirror/x:1", "to"),
        ("from: x, to: 'mirror//a..b/'", "to"),
        (f"from: x, to: {'a' * 256}", "to"),
        ("from: 'regex:.*', to: Mirror", "to"),
        ("from: x, to: 'regex:x,Y'", "to"),
        ("from: x, to: 'regex:x,'", "to"),
        ("from: Lib/x", "from"),
    ],
)
def test_targets_that_no_registry_can_have(loads: Loads, mapping: str, key: str) -> None:
    (problem,) = problems(loads, TASK.replace("from: x", mapping))
    assert problem.startswith(f"2 tasks[0].mappings[0].{key}: it leads to '") and "not a repository name" in problem


@pytest.mark.parametrize(
    "mapping",
    ["from: Lib/x, to: lib/x", "from: x, to: /a//b__c.d-e/", "from: x, to: 'regex:^/x$,y'"]
    + ["from: 'regex:Lib/.*'", "from: 'regex:.*', to: 'regex:[A-Z],x'"],
)
def test_targets_that_may_be(loads: Loads, mapping: str) -> None:
    assert loads(TASK.replace("from: x", mapping))


def test_every_error_of_a_file_at_once(loads: Loads) -> None:
    found = problems(
        loads,
        """relay: splunge
watch: 'yes'
lister: []
tasks:
- name: [a]
  source: {registry: [a], auth: {}}
  target: {registry: b, auth: '!'}
  mappings: {}
- name: b
  source: {registry: b}
  target: {registry: c}
  mappings:
  - from: regex:(
    tags:
    - 'semver: foo'
    - fine
    - 'regex: ('
- name: b
  target: {registry: c}
""",
    )
    assert [problem.partition(": ")[0] for problem in found] == [
        "1 relay",
        "2 watch",
        "3 lister",
        "5 tasks[0].name",
        "6 tasks[0].source.auth",
        "6 tasks[0].source.registry",
        "7 tasks[0].target.auth",
        "8 tasks[0].mappings",
        "13 tasks[1].mappings[0].from",
        "15 tasks[1].mappings[0].tags[0]",
        "17 tasks[1].mappings[0].tags[2]",
        "18 tasks[2].name",
        "18 tasks[2].source",
    ]


def test_errors_never_show_a_password(loads: Loads) -> None:
    found = problems(
        loads,
        """
registries: {'https://bob:s3cret@a': {}, b: {endpoint: 'ftp://bob:s3cret@b'}, c: {endpoint: 'http://bob:s3cret@c'}}
tasks:
- name: t
  source: {registry: 'https://bob:s3cret@a/b', auth: s3cret!, password: s3cret}
  target: {registry: 'bob:s3cret@a'}
""",
    )
    assert len(found) == 7 and "s3cret" not in "".join(found)


def test_index_needs_a_search_term_where_it_is_used(loads: Loads) -> None:
    text = TASK.replace("registry: a", "registry: a, lister: {type: index}")
    assert loads(text)
    (problem,) = problems(loads, text.replace("from: x", "from: 'regex:x'"))
    assert problem.startswith("2 tasks[0].source.lister") and "requires a 'search' term" in problem


@pytest.mark.parametrize("more", ["", ":443", ", lister: {type: catalog}"])
def test_docker_hub_has_no_catalog(loads: Loads, more: str) -> None:
    text = "relay: skopeo\n" + TASK.replace("registry: a", f"registry: registry.hub.docker.com{more}")
    assert loads(text)
    (problem,) = problems(loads, text.replace("from: x", "from: 'regex:x'"))
    assert "Docker Hub has no catalog" in problem


def test_listers_for_docker_hub_and_null_ones(loads: Loads) -> None:
    regex = TASK.replace("from: x", "from: 'regex:x'")
    for lister in ("{type: dockerhub}", "{type: index, search: x}"):
        assert loads(regex.replace("registry: a", f"registry: registry.hub.docker.com, lister: {lister}"))
    assert loads(regex.replace("registry: a", "registry: a, lister: ~")).config.tasks[0].source.lister is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dockerhost: tcp://x\n", ["'dockerhost' at the top level is deprecated"]),
        ("dockerhost: tcp://x\ndocker: {}\n", ["'dockerhost' at the top level is ignored"]),
        ("relay: skopeo\napi-version: 1.41\n", []),
        ("relay: skopeo\napi-version: 1.41\ndocker: {dockerhost: tcp://x}\n", []),
        ("relay: docker\nskopeo: {binary: x}\n", []),
        (
            "dockerhost: tcp://x\napi-version: 1.24\n",
            ["'dockerhost' at the top level is deprecated", "'api-version' at the top level is deprecated"],
        ),
        (
            "dockerhost: tcp://x\napi-version: 1.24\ndocker: {}\n",
            ["'dockerhost' at the top level is ignored", "'api-version' at the top level is ignored"],
        ),
        ("registries: {a: {ca: /no/such}}\n", ["registries.a.ca: there is no file '/no/such'"]),
        (TASK.replace(", mappings: [{from: x}]", ""), [":2: tasks[0].mappings: a task without mappings syncs nothing"]),
        (TASK.replace("{from: x}", ""), [":2: tasks[0].mappings: a task without mappings syncs nothing"]),
        ("lister: {maxItems: -1, cacheDuration: -1}\n", ["'lister.maxItems'", "'lister.cacheDuration'"]),
    ],
)
def test_warnings(loads: Loads, text: str, expected: list[str]) -> None:
    warnings = loads(text).warnings
    assert len(warnings) == len(expected)
    for warning, words in zip(warnings, expected, strict=True):
        assert words in warning


def test_deprecated_keys_still_count(loads: Loads) -> None:
    settings = loads("dockerhost: tcp://x\napi-version: 1.24\n").config.docker_settings
    assert (settings.dockerhost, settings.api_version, settings.keep_images) == ("tcp://x", "1.24", True)
    assert loads("dockerhost: tcp://x\ndocker: {}\n").config.docker_settings.dockerhost.startswith("unix:")


@pytest.mark.parametrize("password", ["s1mple-word", '100% "sure" \\ yes', "a:b", "pä§word", ""])
def test_auth_in_both_forms(loads: Loads, password: str) -> None:
    for raw in (json.dumps({"username": "bob", "Password": password}), f"bob:{password}"):
        auth = base64.b64encode(raw.encode()).decode()
        loaded = loads(TASK.replace("registry: a", f"registry: a, auth: '{auth}'"))
        credentials = loaded.config.tasks[0].source.credentials
        assert credentials and (credentials.username, credentials.password) == ("bob", password)
        if password:
            assert password not in repr(loaded) and auth not in repr(loaded)
    assert loads(TASK.replace("registry: a", "registry: a, auth: none")).config.tasks[0].source.anonymous


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"username": "bob", "password": "x y"}', ("bob", "x y")),
        ('{"USERNAME": "bob", "passWord": "x"}', ("bob", "x")),
        ('{"username": "bob", "password": "x", "email": 1}', ("bob", "x")),
        ('{"username": "bob", "password": ""}', ("bob", "")),
        ('{"username": null, "password": "x"}', ("", "x")),
        ('{"username": "", "password": ""}', None),
        ("bob:a:b", ("bob", "a:b")),
        ("bob:", ("bob", "")),
        (":x", ("", "x")),
        (":", None),
        ("bob:x\n", ("bob", "x")),
    ],
)
def test_what_auth_decodes_to(loads: Loads, raw: str, expected: tuple[str, str] | None) -> None:
    auth = base64.encodebytes(raw.encode()).decode().replace("\n", "\\r\\n")
    assert "\\r\\n" in auth, "line ends do not count"
    credentials = loads(TASK.replace("registry: a", f'registry: a, auth: "{auth}"')).config.tasks[0].source.credentials
    assert (credentials and (credentials.username, credentials.password)) == expected


def test_the_relay_of_a_task_counts(loads: Loads) -> None:
    whole = TASK.replace("{from: x}", "{from: x, platform: all}")
    assert loads("relay: docker\n" + whole.replace("name: t", "name: t, relay: skopeo"))
    assert (
        "does not support" in problems(loads, "relay: skopeo\n" + whole.replace("name: t", "name: t, relay: docker"))[0]
    )
    config = loads("relay: ''\n" + TASK.replace("name: t", "name: t, relay: ''")).config
    assert (config.relay, config.tasks[0].relay) == ("docker", "docker")


@pytest.mark.parametrize("relay", ["skopeo", "docker"])
def test_dregsys_own_examples(loads: Loads, relay: str) -> None:
    auth = base64.b64encode(b'{"username": "anonymous", "password": "anonymous"}').decode()
    loaded = loads(
        f"""
relay: {relay}
docker:
  dockerhost: tcp://127.0.0.1:2375
  api-version: 1.24
skopeo:
  binary: skopeo
  certs-dir: /etc/skopeo/certs.d
lister:
  maxItems: 50
  cacheDuration: 30m
tasks:
- name: test
  interval: 30
  verbose: true
  source:
    registry: registry.hub.docker.com
    auth: {auth}
  target:
    registry: 127.0.0.1:5000
    auth: {auth}
    skip-tls-verify: true
  mappings:
  - from: library/busybox
    to: skopeo/library/busybox
    tags: ['1.29.2', '1.29.3', 'latest']
    platform: linux/arm/v6
"""
    )
    config = loaded.config
    assert (config.relay, loaded.warnings, config.docker_settings.api_version) == (relay, [], "1.24")
    assert (config.lister.max_items, config.lister.cache_duration) == (50, 1800)
    (task,) = config.tasks
    assert (task.interval, task.verbose, task.target.skip_tls_verify) == (30, True, True)
    assert task.target.credentials and task.target.credentials.username == "anonymous"
    assert (task.mappings[0].tags, task.mappings[0].platform) == (["1.29.2", "1.29.3", "latest"], "linux/arm/v6")


@pytest.mark.parametrize(
    ("first", "level"), [("[a, a, a, a, a]", "[*b, *b, *b, *b, *b]"), ("{k: 1}", "{<<: [*b, *b, *b], k: 1}")]
)
def test_a_bomb_of_aliases_is_refused(loads: Loads, first: str, level: str) -> None:
    levels = [f"x-0: &b0 {first}", *(f"x-{n}: &b{n} {level.replace('*b', f'*b{n - 1}')}" for n in range(1, 15))]
    (problem,) = problems(loads, "\n".join(levels))
    assert "more than" in problem


@pytest.mark.parametrize("text", ["x: " + "[" * 60 + "]" * 60, "x: " + "[" * 100_000, "x: " + "{a: " * 100_000])
def test_deep_nesting_is_refused(loads: Loads, text: str) -> None:
    assert "levels deep" in problems(loads, text)[0]


@pytest.mark.parametrize("text", ["x-a: &a [*a]", "x-a: &a {<<: *a}", "x-a: &a {b: *a}"])
def test_an_alias_of_itself_is_refused(loads: Loads, text: str) -> None:
    assert "levels deep" in problems(loads, text)[0]


def test_syntax_errors_say_what_to_look_at(loads: Loads) -> None:
    assert "not with tabs" in problems(loads, "tasks:\n\t- a\n")[0]
    assert "starts in line 1" in problems(loads, "x-a: [a,\n b\nc: d\n")[0]


def test_fingerprints(loads: Loads) -> None:
    auth = base64.b64encode(b"bob:secret").decode()
    plain, signed = loads(TASK), loads(TASK.replace("registry: a", f"registry: a, auth: {auth}"))
    other = loads(TASK.replace("from: x", "from: y"))
    later = loads(TASK.replace("name: t", "name: t, interval: 60, priority: 9"))
    assert task_fingerprint(plain.config.tasks[0]) == task_fingerprint(later.config.tasks[0])
    assert plain.fingerprint != later.fingerprint
    assert plain.fingerprint == signed.fingerprint != other.fingerprint
    assert task_fingerprint(plain.config.tasks[0]) == task_fingerprint(signed.config.tasks[0])
    assert task_fingerprint(plain.config.tasks[0]) != task_fingerprint(other.config.tasks[0])


def test_a_release_with_more_keys_makes_the_same_of_a_file_without_them(loads: Loads) -> None:
    """Else an upgrade would take each task for a changed one. If this fails, a default has changed its meaning."""
    assert task_fingerprint(loads(TASK).config.tasks[0]) == "0f2f5647b9dd5d25"


def test_selection_of_tasks(loads: Loads) -> None:
    lines = TASK.splitlines()
    names = ["a", "ab", "b", "xb"]
    config = loads("\n".join([lines[0], *(lines[1].replace("name: t", f"name: {name}") for name in names)])).config
    for run, expected in (("", names), ("a|b", ["a", "b"]), ("!a|b", ["ab", "xb"]), (".*b", ["ab", "b", "xb"])):
        assert [task.name for task in select_tasks(config, run)] == expected
    with pytest.raises(ValueError, match="regular expression"):
        select_tasks(config, "(")


@pytest.mark.parametrize(
    "line",
    ["a: b: c", "- semver: >=1.0", "tags: [semver: >=1.0]", "- *", "- %a", "to: @x"],
)
def test_yaml_that_needs_quotes_says_so(line: str, loads: Loads) -> None:
    assert "in quotes" in problems(loads, f"x:\n{line}\n")[0]


@pytest.mark.parametrize("line", ["tasks: [", "a: {b", "- a\n\tb: c"])
def test_other_yaml_does_not(line: str, loads: Loads) -> None:
    assert "in quotes" not in problems(loads, f"{line}\n")[0]


@pytest.mark.parametrize(
    ("limited", "meant"),
    [
        ("docker.oi", "docker.io"),
        ("mirror.exmaple.com", "mirror.example.com"),
        ("other.example.com", ""),
        ("mirror2.example.com", ""),
        ("*.com", ""),
    ],
)
def test_limits_for_a_misspelt_registry(limited: str, meant: str, loads: Loads) -> None:
    task = "{name: t, source: {registry: docker.io}, target: {registry: mirror.example.com}, mappings: [{from: x}]}"
    text = f"relay: direct\ntasks: [{task}]\nregistries: {{'{limited}': {{max-concurrent: 2}}}}\n"
    warnings = loads(text).warnings
    assert [f"did you mean '{meant}'" in warning for warning in warnings] == ([True] if meant else [])
