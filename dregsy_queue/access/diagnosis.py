"""What does a registry's refusal mean for who set it up, and what helps?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.credentials.expiry import ends_at
from dregsy_queue.registry.errors import RegistryError

#: In the order in which they are tried.
Step = Literal["reach", "certificate", "login", "list", "push"]

_RENEW = "get a new token; for ECR set 'auth-refresh', for Google leave 'auth' out: then they are renewed by themselves"


@dataclass(frozen=True)
class Finding:
    """How one step went; `reason` (one word for programs), `text` and `advice` are empty when it went well."""

    step: Step
    #: the repository it was tried with; empty for the registry itself
    repository: str = ""
    reason: str = ""
    text: str = ""
    advice: str = ""

    @property
    def good(self) -> bool:
        return not self.reason


def of_registry(error: RegistryError, credentials: Credentials | None) -> Finding:
    """Why a registry's API does not answer as it should."""
    if error.kind == "unavailable":
        return Finding(
            "reach", "", "unreachable", str(error),
            "see that it runs, and that name, port, firewall and proxy (HTTPS_PROXY, NO_PROXY) are right",
        )  # fmt: skip
    if error.kind == "tls":
        return Finding(
            "certificate",
            "",
            "certificate",
            str(error),
            _about_certificate(str(error)),
        )
    if error.kind == "rate-limited":
        return Finding("reach", "", "rate-limited", str(error), "wait a while, and set limits in 'registries'")
    if error.kind in ("auth", "denied"):
        return refused_login(error, credentials)
    return Finding("reach", "", "no-registry", str(error), "see that host and port are those of a registry")


def _about_certificate(error: str) -> str:
    """Empty where the error says itself what to do."""
    if "not trusted" not in error or "put its CA" not in error:
        return ""
    return "the whole chain of authorities must be in that folder, or in the registry's 'ca'"


def refused_login(error: RegistryError, credentials: Credentials | None) -> Finding:
    """Why the login itself is refused."""
    ends = ends_at(credentials.password) if credentials else None
    if ends is not None and ends < time.time():
        return Finding(
            "login", "", "expired-token", f"{error}; the password is a token, which ended {_ago(ends)} ago", _RENEW
        )
    if "expired" in str(error).lower():
        return Finding("login", "", "expired-token", str(error), _RENEW)
    if credentials is None:
        return Finding("login", "", "no-login", str(error), "set 'auth'")
    return Finding(
        "login", "", "wrong-password", str(error),
        'check \'auth\': base64 of {"username": "…", "password": "…"}; the name may be wrong, too',
    )  # fmt: skip


def of_repository(step: Step, repository: str, error: RegistryError, credentials: Credentials | None) -> Finding:
    """Why a repository cannot be listed, or nothing can be pushed into it, although the login is good."""
    user = f"user '{credentials.username}'" if credentials else "nobody (no login is set)"
    if "expired" in str(error).lower():
        return Finding(step, repository, "expired-token", str(error), _RENEW)
    if error.kind == "not-found":
        advice = "check the path in 'from'" if step == "list" else "create it, or the project it belongs to, first"
        return Finding(step, repository, "missing-repository", f"{repository} does not exist", advice)
    if step == "push" and (error.kind in ("auth", "denied") or "405" in str(error)):
        text = f"{user} may not push to {repository} ({_said(error)})"
        return Finding(step, repository, "no-push-right", text, "give this user the right to push, or use another")
    if error.kind in ("auth", "denied"):
        text = f"{user} may not read {repository}, or it does not exist ({_said(error)})"
        return Finding(step, repository, "no-pull-right", text, "check the path, and this user's rights")
    return Finding(step, repository, error.kind, str(error), "")


def _said(error: RegistryError) -> str:
    """The registry's own words at the end of an error's text."""
    return str(error).rpartition(" (")[2].rstrip(")")


def _ago(moment: float) -> str:
    seconds = time.time() - moment
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
