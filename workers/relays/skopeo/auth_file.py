"""Credentials for a child process, in a file that exists in memory alone.

The file (memfd_create(2)) has no name on any disk: other users cannot open it, no crash leaves it behind, and it is
gone with the last process that holds it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator

from dregsy_queue.oci.login import Credentials


@contextlib.contextmanager
def auth_file(registry: str, credentials: Credentials) -> Iterator[int]:
    """A descriptor of an auth file (containers-auth.json(5)) for one registry; pass it to the child.

    The child opens it as ``/proc/self/fd/N``.
    """
    login = f"{credentials.username}:{credentials.password}".encode()
    entry = {"auth": base64.b64encode(login).decode()}
    if credentials.identity_token:
        entry["identitytoken"] = credentials.identity_token
    content = {"auths": {registry: entry}}
    descriptor = os.memfd_create("auth", 0)
    try:
        os.write(descriptor, json.dumps(content).encode())
        yield descriptor
    finally:
        os.close(descriptor)
