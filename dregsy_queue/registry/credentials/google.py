"""Google: tokens for Container Registry and Artifact Registry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

import google.auth
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.credentials.cached import CachedSource, Fetched
from dregsy_queue.registry.errors import RegistryError

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
#: The user name that goes with a token.
USER = "oauth2accesstoken"


@dataclass(frozen=True)
class GoogleSource(CachedSource):
    """The file that GOOGLE_APPLICATION_CREDENTIALS names (a service account, or workload identity), else gcloud's own
    login, else the metadata server of GCE and GKE."""

    host: str

    def fetch(self, now: float) -> Fetched:
        try:
            identity, _ = google.auth.default(scopes=[_SCOPE])
            identity.refresh(Request())  # type: ignore[no-untyped-call]
        except (GoogleAuthError, OSError, ValueError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)[:300]
            raise RegistryError(
                f"{self.host}: Google: no token: {reason}; give 'auth', or 'auth: none' for public images",
                kind="auth",
                temporary=False,
                registry=self.host,
            ) from None
        left = 3600.0
        if identity.expiry is not None:
            left = identity.expiry.replace(tzinfo=UTC).timestamp() - now
        return Fetched(Credentials(USER, str(identity.token)), max(60.0, left))
