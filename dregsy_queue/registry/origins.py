"""What may be sent where? A registry has one origin, and it comes from the configuration.

==============================================  =====================  ==============
request to                                      registry's login       bearer token
==============================================  =====================  ==============
the registry's own origin                       yes (Basic)            yes
the realm that the registry's own answer names  yes, to get a token    no
another host, port or scheme, by whatever way:  no                     no
redirect, `Link`, `Location`, challenge
==============================================  =====================  ==============

An identity token is such a login: it goes in the body, so a redirect of its request to another origin is not followed.
A login never goes from HTTPS to HTTP. A challenge from another origin than the registry's is not answered.
Source: OCI distribution-spec, "API"; RFC 9110 §11.6.2.
"""

from __future__ import annotations

from yarl import URL


def same_origin(one: URL, other: URL) -> bool:
    """True when scheme, host and port are the same (RFC 6454 §5)."""
    return (one.scheme, (one.host or "").lower(), one.port) == (other.scheme, (other.host or "").lower(), other.port)


def parse_url(text: str) -> URL | None:
    """An absolute URL by HTTP or HTTPS with a host and a port that can be; None when `text` is none."""
    try:
        url = URL(text, encoded=True)
        good = url.scheme in ("http", "https") and bool(url.host) and url.port is not None and 0 < url.port < 65536
    except (ValueError, TypeError):
        return None
    return url if good else None


def follow(base: URL, location: str) -> URL | None:
    """Where `location` leads, seen from `base`; None when that is no place for a request (``mailto:``, a bad port)."""
    try:
        target = base.join(URL(location.strip(), encoded=True))
        # A fragment is never sent (RFC 9110 §10.2.2).
        return parse_url(str(target.with_fragment(None)))
    except (ValueError, TypeError):
        return None
