"""What may be sent where? A registry has one origin, and it comes from the configuration.

==============================================  ==================  ==============  ========================
request to                                      registry's login    bearer token    body: blob, manifest
==============================================  ==================  ==============  ========================
the registry's own origin                       yes (Basic)         yes             yes
the realm that the registry's own answer names  yes, for a token    no              none
another origin, by a redirect 307 or 308        no                  no              yes: it stores them there
another origin, by a redirect 301, 302 or 303   no                  no              no: it becomes a GET
another origin, by the `Location` of an upload  no                  no              blobs: it stores them there
another origin, by `Link` or a challenge        not asked           not asked       not asked
HTTP, by a redirect from HTTPS                  not asked           not asked       not asked
==============================================  ==================  ==============  ========================

An origin is scheme, host and port. An upload that another origin does not take goes to the same path of the registry's
own, with its login. An identity token is a login that goes in a body: a redirect of its request to
another origin is not followed. A challenge from another origin than the registry's is not answered. Skopeo, which has
the login of each of its copies, follows rules of its own: docs/security.md.
Source: OCI distribution-spec, "API"; RFC 9110 §11.6.2, §15.4; Go's net/http, which skopeo sends by.
"""

from __future__ import annotations

from urllib.parse import quote

from yarl import URL

#: Characters that stay as they stand.
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>\\^`{|}')


def same_origin(one: URL, other: URL) -> bool:
    """True when scheme, host and port are the same (RFC 6454 §5)."""
    if one.raw_authority == other.raw_authority:
        # as written already: no need to take both to pieces
        return one.scheme == other.scheme
    return (one.scheme, (one.host or "").lower(), one.port) == (other.scheme, (other.host or "").lower(), other.port)


def keeps_body(status: int, at_home: bool) -> bool:
    """Whether a redirected request stays what it is, with its body; else it becomes a GET. `at_home`: to the same
    origin."""
    return status in (307, 308) or (at_home and status != 303)


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
        # What a URL cannot have, as blanks, is escaped, as browsers and Go do; what is escaped stays as it is.
        escaped = quote(location.strip().encode("utf-8", "surrogateescape"), safe=_PRINTABLE)
        target = base.join(URL(escaped, encoded=True))
        # A fragment is never sent (RFC 9110 §10.2.2).
        return parse_url(str(target.with_fragment(None)))
    except (ValueError, TypeError):
        return None
