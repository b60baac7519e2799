"""From the YAML that `skopeo sync --src yaml` takes: registries, each with images, and how to sign in.

Source: skopeo-sync(1), "YAML file content".
"""

from __future__ import annotations

from dregsy_queue.config.convert import constraints
from dregsy_queue.config.convert.draft import Document, Draft, DraftLocation, login
from dregsy_queue.config.convert.given import Given
from dregsy_queue.oci.hosts import without_port
from dregsy_queue.oci.reference import Reference, api_repository, parts_of

_IMAGES = ("images", "images-by-tag-regex", "images-by-semver")
_KNOWN = frozenset({*_IMAGES, "credentials", "tls-verify", "cert-dir"})


def is_skopeo_sync(given: Given) -> bool:
    return isinstance(given.value, dict) and any(
        isinstance(entry, dict) and any(key in entry for key in _IMAGES) for entry in given.value.values()
    )


def convert(given: Given, destination: str, *, scoped: bool) -> Draft:
    """`destination` is skopeo's last argument; `scoped` its option ``--scoped``. What is wrong with `given` is noted
    there."""
    draft = Draft()
    host, prefix, *_ = parts_of(destination)
    target = DraftLocation(host)
    draft.note("target", f"set 'auth' for {host} if it wants a login, and 'skip-tls-verify' if it speaks plain HTTP")
    for registry, entry in given.mapping().items():
        source = _source(draft, registry, entry)
        for repository, tags in _mappings(draft, registry, entry):
            path = api_repository(registry, repository)
            name = f"{registry}/{path}" if scoped else path.rpartition("/")[2]
            mapping: Document = {"from": path, "to": f"{prefix}/{name}".lstrip("/")}
            draft.add(f"{registry}/{repository}", source, target, 0, {**mapping, **({"tags": tags} if tags else {})})
    return draft


def _source(draft: Draft, registry: str, entry: Given) -> DraftLocation:
    if not entry:
        entry.problem("must be a mapping that has 'images'")
    for key in sorted(set(entry.mapping()) - _KNOWN):
        draft.note(registry, f"'{key}' is not known and is left out")
    if folder := entry.get("cert-dir").text():
        draft.note(
            registry,
            f"'cert-dir: {folder}' is left out: 'skopeo.certs-dir' names one folder "
            f"for all registries, with a folder '{without_port(registry)}' in it",
        )
    given = entry.get("credentials")
    auth = login(given.get("username").text(), given.get("password").text()) if given else ""
    verify = entry.get("tls-verify")
    return DraftLocation(registry, auth, verify.value is not None and not verify.flag())


def _mappings(draft: Draft, registry: str, entry: Given) -> list[tuple[str, list[str]]]:
    """Repositories and tag lists."""
    found = []
    for repository, named in entry.get("images").mapping().items():
        found.append((repository, named.texts()))
    for repository, expression in entry.get("images-by-tag-regex").mapping().items():
        found.append((repository, [f"regex: {_anywhere(expression.text())}"]))
    for repository, given in entry.get("images-by-semver").mapping().items():
        constraint = given.text()
        try:
            tags = [f"semver: {constraints.as_range(constraint)}"]
        except ValueError as error:
            draft.note(f"{registry}/{repository}", f"left out: {error}")
            continue
        if not constraints.allows_pre_releases(constraint):
            tags.append("keep: [^-]*")
        found.append((repository, tags))
    good = []
    for repository, tags in found:
        try:
            Reference.parse(f"{registry}/{repository}")
        except ValueError as error:
            draft.note(f"{registry}/{repository}", f"left out: {error}")
        else:
            good.append((repository, tags))
    return good


def _anywhere(expression: str) -> str:
    """skopeo looks for the expression anywhere in a tag; ours match whole tags."""
    if expression.startswith("^") and expression.endswith("$") and "|" not in expression and "\\$" not in expression:
        return expression[1:-1]
    return f".*(?:{expression}).*"
