"""Which entry of `registries:` a registry has: the most specific one that names it."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from dregsy_queue.config.models import RegistryLimits
from dregsy_queue.oci.hosts import registry_key

_NONE = RegistryLimits()


def limits_for(registries: Mapping[str, RegistryLimits], host: str) -> RegistryLimits:
    """The entry for `host`: its own name first, then the pattern with the most letters, at last ``*``.

    All names of Docker Hub are one registry. In patterns ``*`` stands for any text.
    """
    name = registry_key(host)
    named = {registry_key(key): limits for key, limits in registries.items()}
    if name in named:
        return named[name]
    patterns = [key for key in named if "*" in key and fnmatchcase(name, key.replace("[", "[[]"))]
    return named[max(patterns, key=lambda key: (len(key.replace("*", "")), key))] if patterns else _NONE
