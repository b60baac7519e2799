"""From regsync's config: `creds`, `defaults`, and `sync` entries of type image, repository or registry.

Source: regclient's documentation of regsync ("Configuration File").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dregsy_queue.config.convert import constraints
from dregsy_queue.config.convert.draft import Document, Draft, DraftLocation, NotOursError, login
from dregsy_queue.config.durations import parse_go_duration
from dregsy_queue.oci.reference import Reference, is_repository, parts_of

#: What an entry may say and a config of ours cannot, and why that is.
_NO_EQUIVALENT = {
    "schedule": "there is no time of day here: set 'interval' (seconds) in the task",
    "backup": "the image that is replaced is not kept under another tag",
    "referrerFilters": "all that refers to an image is copied, or nothing",
    "mediaTypes": "images of every media type are copied",
    "hooks": "nothing is run before or after a copy",
}
#: What changes how regsync works and not what it copies.
_NO_MATTER = frozenset({"fastCopy", "fastCheck", "forceRecursive", "includeExternal", "cacheCount", "cacheTime",
                        "skipDockerConfig", "userAgent", "parallel", "blobLimit", "ratelimit", "interval"})  # fmt: skip
_ENTRY = frozenset(
    {"source", "target", "type", "tags", "tagSets", "repos", "platform", "platforms", "referrers", "digestTags"}
)
_CREDS = frozenset({"registry", "hostname", "user", "pass", "tls", "reqPerSec"})


def is_regsync(document: object) -> bool:
    return isinstance(document, dict) and isinstance(document.get("sync"), list)


def convert(document: dict[str, Any]) -> Draft:
    """Raises: NotOursError."""
    return _Conversion(document).draft


@dataclass(frozen=True)
class _Entry:
    where: str
    values: dict[str, Any]
    interval: int


class _Conversion:
    def __init__(self, document: dict[str, Any]) -> None:
        self.draft = Draft()
        defaults = document.get("defaults") or {}
        self._sides: dict[str, DraftLocation] = {}
        for creds in document.get("creds") or []:
            self._take_creds(creds)
        for number, values in enumerate(document["sync"]):
            where = f"sync[{number}]"
            if not isinstance(values, dict) or not values.get("source") or not values.get("target"):
                raise NotOursError(f"{where} has no 'source' and 'target'")
            merged = {**defaults, **values}
            self._take(_Entry(where, merged, self._interval(where, merged)))

    def _take_creds(self, creds: dict[str, Any]) -> None:
        host = str(creds.get("registry", ""))
        where = f"creds of {host}"
        for key in sorted(set(creds) - _CREDS, key=str):
            hint = ": put the certificate into the certs-dir folder of this host" if key == "regcert" else ""
            self.draft.note(where, f"'{key}' has no equivalent and is left out{hint}")
        user, password = str(creds.get("user") or ""), str(creds.get("pass") or "")
        if _is_template(user) or _is_template(password):
            self.draft.note(where, "the login comes from a template: set 'auth' yourself where this registry is named")
            user = password = ""
        if creds.get("reqPerSec"):
            self.draft.registry(host, "requests", f"{max(1, int(float(creds['reqPerSec'])))}/1s")
        tls = str(creds.get("tls") or "enabled")
        if creds.get("hostname") and creds["hostname"] != host:
            scheme = "http" if tls == "disabled" else "https"
            self.draft.registry(host, "endpoint", f"{scheme}://{creds['hostname']}")
        self._sides[host] = DraftLocation(host, login(user, password) if user else "", tls in ("insecure", "disabled"))

    def _interval(self, where: str, values: dict[str, Any]) -> int:
        text = str(values.get("interval") or "")
        if not text or values.get("schedule"):
            return 0
        try:
            seconds = int(parse_go_duration(text))
        except ValueError:
            self.draft.note(where, f"interval '{text}' is not understood and is left out")
            return 0
        if 0 < seconds < 30:
            self.draft.note(where, f"interval {text}: the shortest is 30 seconds")
        return max(30, seconds) if seconds > 0 else 0

    def _take(self, entry: _Entry) -> None:
        for key in entry.values:
            if key in _NO_EQUIVALENT and entry.values[key]:
                self.draft.note(entry.where, f"'{key}' is left out: {_NO_EQUIVALENT[key]}")
            elif key not in _ENTRY and key not in _NO_MATTER and key not in _NO_EQUIVALENT:
                self.draft.note(entry.where, f"'{key}' is not known and is left out")
        source, target = str(entry.values["source"]), str(entry.values["target"])
        if _is_template(source) or _is_template(target):
            self.draft.note(entry.where, "left out: source or target is a template")
        elif "://" in source or "://" in target:
            self.draft.note(entry.where, "left out: only registries are synced, no folders")
        else:
            take = {"image": self._image, "repository": self._repository, "registry": self._registry}
            kind = str(entry.values.get("type") or "image")
            if kind not in take:
                raise NotOursError(f"{entry.where}: '{kind}' is not a known type of entry")
            try:
                take[kind](entry, source, target)
            except ValueError as error:
                self.draft.note(entry.where, f"left out: {error}")

    def _image(self, entry: _Entry, source: str, target: str) -> None:
        found, to = Reference.parse(source), Reference.parse(target)
        tag = found.tag or (None if found.digest else "latest")
        wanted = to.tag or (None if to.digest else tag or "latest")
        if found.digest:
            item = f"{wanted}@{found.digest}" if wanted else found.digest
        elif wanted != tag:
            raise ValueError(f"an image keeps its tag here, it cannot become '{wanted}' at the target")
        else:
            item = str(tag)
        self._add(entry, found, to.registry, to.repository, [item])

    def _repository(self, entry: _Entry, source: str, target: str) -> None:
        found, to = Reference.parse(source), Reference.parse(target)
        for tags in self._tag_lists(entry):
            self._add(entry, found, to.registry, to.repository, tags)

    def _registry(self, entry: _Entry, source: str, target: str) -> None:
        repositories = entry.values.get("repos") or {}
        if repositories.get("deny"):
            raise ValueError("'repos.deny' has no equivalent; name what is wanted in 'from: regex:…'")
        allowed = [str(item) for item in repositories.get("allow") or []]
        host, prefix, *_ = parts_of(target)
        self.draft.every_repository = True
        for tags in self._tag_lists(entry):
            mapping: Document = {"from": "regex:" + ("|".join(f"(?:{item})" for item in allowed) or ".*")}
            if prefix:
                mapping["to"] = prefix
            self._finish(entry, self._side(source), self._side(host), mapping, tags)

    def _add(self, entry: _Entry, source: Reference, host: str, repository: str, tags: list[str]) -> None:
        if not is_repository(repository):
            raise ValueError(f"'{repository}' is not a repository name")
        mapping: Document = {"from": source.repository, "to": repository}
        self._finish(entry, self._side(source.registry), self._side(host), mapping, tags)

    def _finish(
        self, entry: _Entry, source: DraftLocation, target: DraftLocation, mapping: Document, tags: list[str]
    ) -> None:
        if tags:
            mapping["tags"] = tags
        platform = entry.values.get("platforms") or str(entry.values.get("platform") or "all")
        if platform != "local":
            mapping["platform"] = platform
        if isinstance(platform, list):
            # No other relay copies some of the platforms.
            self.draft.relay = "direct"
        if entry.values.get("referrers") or entry.values.get("digestTags"):
            mapping["referrers"] = True
            # No other relay copies them.
            self.draft.relay = "direct"
        limit = entry.values.get("ratelimit") or {}
        if limit.get("min"):
            self.draft.registry(source.host, "reserve", int(limit["min"]))
        self.draft.add(entry.where, source, target, entry.interval, mapping)

    def _tag_lists(self, entry: _Entry) -> list[list[str]]:
        """One list of items per set of filters; all sets together are wanted."""
        sets = [entry.values["tags"]] if entry.values.get("tags") else []
        sets += entry.values.get("tagSets") or []
        return [self._tags(entry.where, filters) for filters in sets] or [[]]

    def _tags(self, where: str, filters: dict[str, Any]) -> list[str]:
        for key in sorted(set(filters) - {"allow", "deny", "semverRange"}, key=str):
            self.draft.note(where, f"'tags.{key}' is not known and is left out")
        tags = [f"regex: {_plain(item)}" for item in filters.get("allow") or []]
        ranges = filters.get("semverRange") or []
        for text in [ranges] if isinstance(ranges, str) else ranges:
            tags.append(f"semver: {constraints.as_range(str(text))}")
            self.draft.note(where, f"'semverRange: {text}': compare with `dregsy tags`, pre-releases may differ")
        return tags + [f"keep: !{_plain(item)}" for item in filters.get("deny") or []]

    def _side(self, host: str) -> DraftLocation:
        return self._sides.get(host, DraftLocation(host))


def _is_template(text: str) -> bool:
    return "{{" in text


def _plain(expression: object) -> str:
    """An expression that no leading ``!`` inverts."""
    return re.sub(r"^(\s*)!", r"\1\\!", str(expression))
