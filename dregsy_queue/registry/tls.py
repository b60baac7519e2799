"""TLS towards a registry: which authorities are trusted, and which certificate is shown."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from dregsy_queue.oci.hosts import without_port
from dregsy_queue.registry.errors import RegistryError


@dataclass(frozen=True)
class TLSSettings:
    """`skip_verify`: accept any certificate, and plain HTTP where the registry speaks nothing else.

    `certs_dir` holds a folder per host, port dropped, with ``*.crt`` (authorities), ``*.cert`` and ``*.key``
    (client certificates), as containers-certs.d(5) says.
    """

    skip_verify: bool = False
    certs_dir: Path | None = None
    ca: Path | None = None


def certificate_folder(certs_dir: Path, host: str) -> Path | None:
    """The folder with `host`'s certificates, if there is one."""
    folder = certs_dir / without_port(host)
    return folder if folder.is_dir() else None


def _accept_what_go_accepts(context: ssl.SSLContext) -> None:
    """What Go's crypto/tls, and so skopeo, verifies; OpenSSL and Python refuse more of it with each version."""
    # Authorities made by a plain `openssl req -x509` (refused from Python 3.13 on).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # An intermediate authority, or the very certificate, that is trusted without its root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # RSA keys of 1,024 bits, as old appliances have them; no SHA-1, and nothing before TLS 1.2.
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    # Servers and inspecting proxies that know no secure renegotiation (RFC 5746); nobody renegotiates here.
    context.options |= _OP_LEGACY_SERVER_CONNECT


#: `ssl.OP_LEGACY_SERVER_CONNECT`, which Python names from 3.12 on.
_OP_LEGACY_SERVER_CONNECT = 0x4


def make_context(host: str, settings: TLSSettings) -> ssl.SSLContext:
    """The context for connections to `host`. Raises: RegistryError when a file is not usable."""
    # The system's authorities take 20 ms to load, so only who verifies gets them.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if settings.skip_verify else ssl.create_default_context()
    _accept_what_go_accepts(context)
    folder = certificate_folder(settings.certs_dir, host) if settings.certs_dir else None
    where = settings.ca
    try:
        if settings.ca:
            context.load_verify_locations(settings.ca)
        where = folder
        for authority in sorted(folder.glob("*.crt")) if folder else []:
            context.load_verify_locations(authority)
        for certificate in sorted(folder.glob("*.cert")) if folder else []:
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    except (OSError, ssl.SSLError) as error:
        raise RegistryError(
            f"{host}: the certificates in {where} cannot be used: {error}",
            kind="tls",
            temporary=False,
            registry=host,
        ) from None
    if settings.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
