"""Which proxy does a request go through? HTTP_PROXY, HTTPS_PROXY and NO_PROXY mean what they mean to Go's programs.

Source: golang.org/x/net/http/httpproxy; net/http reads them once, too. Loopback addresses never go through a proxy.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping

from yarl import URL

#: As it was at the start: it is looked at before each request.
_ENVIRONMENT = dict(os.environ)


def proxy_for(url: URL, environment: Mapping[str, str] = _ENVIRONMENT) -> str | None:
    """The proxy's URL, or None for a direct connection."""
    name = f"{url.scheme}_proxy"
    proxy = environment.get(name.upper()) or environment.get(name)
    if not proxy:
        return None
    host = (url.host or "").lower().rstrip(".")
    if host == "localhost" or _is_loopback(host):
        return None
    excluded = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if any(_excludes(entry.strip().lower(), host, url.port) for entry in excluded.split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _excludes(entry: str, host: str, port: int | None) -> bool:
    """One entry of NO_PROXY: ``*``, an address, a CIDR block, or a domain; with or without a port."""
    if not entry:
        return False
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted_port = entry.rpartition(":")
    if colon and wanted_port.isdigit() and _address(entry) is None:
        if str(port) != wanted_port:
            return False
        entry = name
    if address is not None:
        return _address(entry) == address
    entry = entry[1:] if entry.startswith("*.") else entry
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")
