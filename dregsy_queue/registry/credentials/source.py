"""Where credentials come from; a new source is one file with a class that has `credentials()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dregsy_queue.oci.login import Credentials


class CredentialsSource(Protocol):
    """Gives the credentials for one registry, fresh enough to be used now. Hashable: equal sources share clients."""

    async def credentials(self, repository: str = "") -> Credentials | None:
        """The login for a repository (``a/b``; '' for the registry as a whole). None: nobody signs in."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Static:
    """Credentials from the config; None: anonymous."""

    value: Credentials | None

    async def credentials(self, repository: str = "") -> Credentials | None:
        return self.value
