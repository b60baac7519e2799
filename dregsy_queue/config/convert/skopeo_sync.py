"""From the YAML that `skopeo sync --src yaml` takes: registries, each with images, and how to sign in.

Source: skopeo-sync(1), "YAML file content".
"""

from __future__ import annotations

from typing import Any

from dregsy_queue.config.convert import constraints
from dregsy_queue.config.convert.draft import Document, Draft, DraftLocation, NotOursError, login
from dregsy_queue.oci.hosts import without_port
from dregsy_queue.oci.reference import Reference, api_repository, parts_of

_IMAGES = ("images", "images-by-tag-regex", "images-by-semver")
_KNOWN = frozenset({*_IMAGES, "credentials", "tls-verify", "cert-dir"})


def is_skopeo_sync(document: object) -> bool:
    return isinstance(document, dict) and any(
        isinstance(entry, dict) and any(key in entry for key in _IMAGES) for entry in document.values()
    )


def convert(document: dict[str, Any], destination: str, *, scoped: bool) -> Draft:
    """`destination` is skopeo's last argument; `scoped` its option ``--scoped``. Raises: NotOursError."""
    draft = Draft()
    host, prefix, *_ = parts_of(destination)
    target = DraftLocation(host)
    draft.note("target", f"set 'auth' for {host} if it wants a login, and 'skip-tls-verify' if it speaks plain HTTP")
    for registry, entry in document.items():
        if not isinstance(entry, dict):
            raise NotOursError(f"'{registry}' has no images")
        source = _source(draft, str(registry), entry)
        for repository, tags in _mappings(draft, str(registry), entry):
            path = api_repository(str(registry), repository)
            name = f"{registry}/{path}" if scoped else path.rpartition("/")[2]
            mapping: Document = {"from": path, "to": f"{prefix}/{name}".lstrip("/")}
            draft.add(f"{registry}/{repository}", source, target, 0, {**mapping, **({"tags": tags} if tags else {})})
    return draft


def _source(draft: Draft, registry: str, entry: dict[str, Any]) -> DraftLocation:
    for key in sorted(set(entry) - _KNOWN, key=str):
        draft.note(registry, f"'{key}' is not known and is left out")
    if entry.get("cert-dir"):
        draft.note(
            registry,
            f"'cert-dir: {entry['cert-dir']}' is left out: 'skopeo.certs-dir' names one folder "
            f"for all registries, with a folder '{without_port(registry)}' in it",
        )
    given = entry.get("credentials") or {}
    auth = login(str(given.get("username", "")), str(given.get("password", ""))) if given else ""
    return DraftLocation(registry, auth, entry.get("tls-verify") is False)


def _mappings(draft: Draft, registry: str, entry: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Repositories and tag lists."""
    found = []
    for repository, tags in (entry.get("images") or {}).items():
        found.append((str(repository), [str(tag) for tag in tags or []]))
    for repository, expression in (entry.get("images-by-tag-regex") or {}).items():
        found.append((str(repository), [f"regex: {_anywhere(str(expression))}"]))
    for repository, constraint in (entry.get("images-by-semver") or {}).items():
        try:
            tags = [f"semver: {constraints.as_range(str(constraint))}"]
        except ValueError as error:
            draft.note(f"{registry}/{repository}", f"left out: {error}")
            continue
        if not constraints.allows_pre_releases(str(constraint)):
            tags.append("keep: [^-]*")
        found.append((str(repository), tags))
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
