"""What to do about a failure: one thing, and one that helps."""

from __future__ import annotations

import pytest

from dregsy_queue.ledger.advice import advice

H = "127.0.0.1:5000"


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (f"{H}: tags of a: login of user 'bob' is refused (HTTP 401: authentication required)", "`auth`"),
        (f"{H}: upload to a: access is denied (HTTP 403: requested access to the resource is denied)", "the right"),
        (
            f"{H}: it does not speak HTTPS; if it is meant to speak plain HTTP, set 'skip-tls-verify: true'",
            "plain HTTP",
        ),
        (f"{H}: its certificate is not trusted (certificate has expired); it must be renewed there", "renewed"),
        (f"{H}: its certificate is not trusted (unable to get local issuer certificate); put its CA into", "`ca`"),
        ("skopeo: tls: failed to verify certificate: x509: certificate signed by unknown authority", "`ca`"),
        ("skopeo: x509: certificate is valid for a.example, not b.example", "host name"),
        ("skopeo: writing blob: received unexpected HTTP status: 500 Internal Server Error", "disk"),
        (f"{H}: upload to a: it fails (HTTP 507: Insufficient Storage)", "room"),
        ("skopeo: write /var/tmp/x: no space left on device", "room"),
        (f"{H}: it cannot be reached: connection refused", "up and reachable"),
        ("no-such-host.example:443: it cannot be reached: its name is not known", "resolve"),
        (f"{H}/lib/app:99 does not exist", "source has it"),
        ("skopeo: reading manifest 3 in docker.io/a: toomanyrequests: You have reached your pull rate limit", "limits"),
        ("no worker could plan it: the task is not in the config any more, or not in that of the workers", "config"),
        ("the Docker daemon at unix:///var/run/docker.sock does not answer (connection refused)", "`relay: direct`"),
        (
            "the relay program 'skopeo' was not found; install skopeo, or set skopeo.binary to its path",
            "another `relay`",
        ),
        ("skopeo crashed: fatal error: failed to reserve page summary memory", "memory"),
        ("skopeo ended by signal 9 and gave no reason", "memory"),
        ("skopeo: what nobody has ever seen", "relay"),
        ("what nobody has ever seen", ""),
        ("docker.io/library/docker:24: what nobody has ever seen", ""),
    ],
)
def test_the_advice_fits_the_error(error: str, word: str) -> None:
    found = advice(error)
    assert (word in found) if word else not found
