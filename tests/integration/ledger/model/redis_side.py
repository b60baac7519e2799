"""What the model does with Redis as a whole: its clock, a look at everything, copies, and times when it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .direct import Direct

#: Redis' clock in the model: scripts read this key instead of asking for the time.
CLOCK = "test:clock"
BETWEEN = f"clock = function() return tonumber(redis.call('GET', '{CLOCK}')) end\n"

#: How Redis is made to refuse writes with this word, and to take them again.
REFUSALS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "NOREPLICAS": (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    "OOM": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "READONLY": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}

_LOOK = """
local read = {hash = {'HGETALL'}, set = {'SMEMBERS'}, zset = {'ZRANGE', 0, -1}, list = {'LRANGE', 0, -1},
  string = {'GET'}}
local found = {}
for _, name in ipairs(redis.call('KEYS', 'dregsy:*')) do
  local kind = redis.call('TYPE', name).ok
  local command = read[kind]
  found[string.sub(name, 8)] = {kind, redis.call(command[1], name, unpack(command, 2))}
end
return cjson.encode(found)
"""
#: ARGV: prefix of the keys that go, prefix of those that come in their place ('' for none)
_REPLACE = """
for _, name in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  redis.call('DEL', name)
end
for _, name in ipairs(ARGV[2] ~= '' and redis.call('KEYS', ARGV[2] .. '*') or {}) do
  redis.call('COPY', name, ARGV[1] .. string.sub(name, #ARGV[2] + 1))
end
"""


class RedisSide:
    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self.now = 1_800_000_000.0
        self.refuses = ""
        self.has_copy = False
        for _, accept in REFUSALS.values():
            direct.call(*accept)
        direct.call("FLUSHALL")
        self.advance(0)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._accepted(lambda: self._direct.call("SET", CLOCK, repr(self.now)))

    def look(self) -> str:
        """All keys behind the prefix as JSON: name → [type, value]."""
        return str(self._direct.script(_LOOK, ()))

    def refuse(self, word: str) -> None:
        """Refuse writes so; "" takes them again."""
        if self.refuses:
            self._direct.call(*REFUSALS[self.refuses][1])
        self.refuses = word
        if word:
            self._direct.call(*REFUSALS[word][0])

    def empty(self) -> None:
        self._accepted(lambda: self._direct.script(_REPLACE, ("dregsy:", "")))

    def copy(self) -> None:
        self._accepted(lambda: self._direct.script(_REPLACE, ("copy:", "dregsy:")))
        self.has_copy = True

    def restore(self) -> None:
        """It comes back as it was when it was copied; the clock has gone on."""
        self._accepted(lambda: self._direct.script(_REPLACE, ("dregsy:", "copy:")))
        # Nobody restores a Redis within a millisecond: epochs rely on it.
        self.advance(0.01)

    def lose(self, n: int) -> str:
        """One key vanishes, as keys do that are evicted; returns its name."""
        names = sorted(self._direct.call("KEYS", "dregsy:*"))
        name = str(names[n % len(names)]) if names else ""
        if name:
            self._accepted(lambda: self._direct.call("DEL", name))
            self.advance(0.01)
        return name

    def fields(self, name: str, *wanted: str) -> list[str | None]:
        return list(self._direct.call("HMGET", name, *wanted))

    def _accepted(self, act: Callable[[], Any]) -> None:
        word = self.refuses
        self.refuse("")
        act()
        self.refuse(word)


def parse(text: str) -> dict[str, Any]:
    """What `RedisSide.look` returned, as name → value."""
    return {
        name: dict(zip(value[::2], value[1::2], strict=True)) if kind == "hash" else value
        for name, (kind, value) in json.loads(text).items()
    }
