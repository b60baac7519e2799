"""How many transfers does a registry see at once?"""

from __future__ import annotations

import re

_UPLOAD = re.compile(r"/v2/.+/blobs/uploads/([^/?]+)")
_BLOB = re.compile(r"/v2/.+/blobs/[a-z0-9]+:[0-9a-f]+$")


class TransferGauge:
    """Blob downloads in progress, and uploads from the ``POST`` that opens one to the ``PUT`` that closes it.

    Source: OCI distribution-spec, pulling blobs and pushing blobs. An upload that nobody closes or deletes counts on.
    """

    def __init__(self) -> None:
        #: the most there ever were at once, downloads and uploads together
        self.most = 0
        self._downloads = 0
        self._uploads: set[str] = set()

    @property
    def now(self) -> int:
        return self._downloads + len(self._uploads)

    def asked(self, method: str, path: str) -> bool:
        """A request comes in; True when it is a download, whose end `finished` must be told."""
        download = method == "GET" and _BLOB.search(path) is not None
        self._downloads += download
        self._keep()
        return download

    def finished(self) -> None:
        """A download has ended, in whatever way."""
        self._downloads -= 1

    def answered(self, method: str, path: str, status: int, location: str) -> None:
        """The registry has answered; `location` is that header's value, or empty."""
        opened = _UPLOAD.search(location)
        if method == "POST" and status == 202 and opened:
            self._uploads.add(opened[1])
            self._keep()
        closed = _UPLOAD.search(path)
        if closed and method in ("PUT", "DELETE") and status < 500:
            self._uploads.discard(closed[1])

    def _keep(self) -> None:
        self.most = max(self.most, self.now)
