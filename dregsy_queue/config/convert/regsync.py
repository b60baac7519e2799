"""From regsync's config: `creds`, `defaults`, and `sync` entries of type image, repository or registry.

Source: regclient's documentation of regsync ("Configuration File").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dregsy_queue.config.convert import constraints
from dregsy_queue.config.convert.draft import Document, Draft, DraftLocation, login
from dregsy_queue.config.convert.given import Given
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

_TLS = ("enabled", "insecure", "disabled")


def is_regsync(given: Given) -> bool:
    return isinstance(given.value, dict) and isinstance(given.value.get("sync"), list)


def convert(given: Given) -> Draft:
    """What is wrong with `given` is noted there."""
    return _Conversion(given).draft


@dataclass(frozen=True)
class _Entry:
    where: str
    values: dict[str, Given]
    interval: int

    def has(self, key: str) -> Given | None:
        """The value of `key`, where it has one."""
        value = self.values.get(key)
        return value if value else None

    def flag(self, key: str) -> bool:
        return key in self.values and self.values[key].flag()


class _Conversion:
    def __init__(self, given: Given) -> None:
        self.draft = Draft()
        defaults = given.get("defaults").mapping()
        self._sides: dict[str, DraftLocation] = {}
        for creds in given.get("creds").items():
            self._take_creds(creds)
        for values in given.get("sync").items():
            if not values.get("source") or not values.get("target"):
                values.problem("must be a mapping that has 'source' and 'target'")
                continue
            merged = {**defaults, **values.mapping()}
            self._take(_Entry(values.where, merged, self._interval(values.where, merged)))

    def _take_creds(self, creds: Given) -> None:
        host = creds.get("registry").text()
        if not host:
            creds.problem("must be a mapping that has 'registry'")
            return
        where = f"creds of {host}"
        for key in sorted(set(creds.mapping()) - _CREDS):
            hint = ": put the certificate into the certs-dir folder of this host" if key == "regcert" else ""
            self.draft.note(where, f"'{key}' has no equivalent and is left out{hint}")
        user, password = creds.get("user").text(), creds.get("pass").text()
        if _is_template(user) or _is_template(password):
            self.draft.note(where, "the login comes from a template: set 'auth' yourself where this registry is named")
            user = password = ""
        if per_second := creds.get("reqPerSec").number():
            self.draft.registry(host, "requests", f"{max(1, int(per_second))}/1s")
        tls = creds.get("tls").text() or "enabled"
        if tls not in _TLS:
            creds.get("tls").problem(f"must be {', '.join(_TLS)}; it is '{tls}'")
        hostname = creds.get("hostname").text()
        if hostname and hostname != host:
            scheme = "http" if tls == "disabled" else "https"
            self.draft.registry(host, "endpoint", f"{scheme}://{hostname}")
        self._sides[host] = DraftLocation(host, login(user, password) if user else "", tls in ("insecure", "disabled"))

    def _interval(self, where: str, values: dict[str, Given]) -> int:
        text = values["interval"].text() if "interval" in values else ""
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
            if key in _NO_EQUIVALENT and entry.has(key):
                self.draft.note(entry.where, f"'{key}' is left out: {_NO_EQUIVALENT[key]}")
            elif key not in _ENTRY and key not in _NO_MATTER and key not in _NO_EQUIVALENT:
                self.draft.note(entry.where, f"'{key}' is not known and is left out")
        source, target = entry.values["source"].text(), entry.values["target"].text()
        if _is_template(source) or _is_template(target):
            self.draft.note(entry.where, "left out: source or target is a template")
        elif "://" in source or "://" in target:
            self.draft.note(entry.where, "left out: only registries are synced, no folders")
        else:
            take = {"image": self._image, "repository": self._repository, "registry": self._registry}
            kind = entry.values["type"].text() if entry.has("type") else "image"
            if kind not in take:
                entry.values["type"].problem(f"must be {', '.join(take)}; it is '{kind}'")
                return
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
        repositories = entry.has("repos")
        if repositories and repositories.get("deny"):
            raise ValueError("'repos.deny' has no equivalent; name what is wanted in 'from: regex:…'")
        allowed = repositories.get("allow").texts() if repositories else []
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
        platforms, platform = entry.has("platforms"), entry.has("platform")
        if platforms:
            mapping["platform"] = platforms.texts()
            # No other relay copies some of the platforms.
            self.draft.relay = "direct"
        elif not platform or platform.text() != "local":
            mapping["platform"] = platform.text() if platform else "all"
        if entry.flag("referrers") or entry.flag("digestTags"):
            mapping["referrers"] = True
            # No other relay copies them.
            self.draft.relay = "direct"
        limit = entry.has("ratelimit")
        if limit and (least := limit.get("min").number()):
            self.draft.registry(source.host, "reserve", int(least))
        self.draft.add(entry.where, source, target, entry.interval, mapping)

    def _tag_lists(self, entry: _Entry) -> list[list[str]]:
        """One list of items per set of filters; all sets together are wanted."""
        tags, more = entry.has("tags"), entry.has("tagSets")
        sets = ([tags] if tags else []) + (more.items() if more else [])
        return [self._tags(entry.where, filters) for filters in sets] or [[]]

    def _tags(self, where: str, filters: Given) -> list[str]:
        for key in sorted(set(filters.mapping()) - {"allow", "deny", "semverRange"}):
            self.draft.note(where, f"'tags.{key}' is not known and is left out")
        tags = [f"regex: {_plain(item)}" for item in filters.get("allow").texts()]
        ranges = filters.get("semverRange")
        for text in [ranges.text()] if isinstance(ranges.value, str) else ranges.texts():
            tags.append(f"semver: {constraints.as_range(text)}")
            self.draft.note(where, f"'semverRange: {text}': compare with `dregsy tags`, pre-releases may differ")
        return tags + [f"keep: !{_plain(item)}" for item in filters.get("deny").texts()]

    def _side(self, host: str) -> DraftLocation:
        return self._sides.get(host, DraftLocation(host))


def _is_template(text: str) -> bool:
    return "{{" in text


def _plain(expression: str) -> str:
    """An expression that no leading ``!`` inverts."""
    return re.sub(r"^(\s*)!", r"\1\\!", expression)
