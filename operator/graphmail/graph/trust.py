"""Whom to trust: the CA bundle that the environment names, the same one for Graph and for sign-in.

httpx goes by SSL_CERT_FILE and SSL_CERT_DIR, requests (under msal) by REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE. A company that sets one of
them means both.
"""

import os
import ssl
from pathlib import Path

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The first that is set counts. All but SSL_CERT_DIR may name a file; any may name a directory in OpenSSL's form."""


def ca_bundle() -> str | None:
    """The path of the bundle that stands in for the usual authorities; None: nobody named one."""
    return next((path for name in VARIABLES if (path := os.environ.get(name))), None)


def tls_context(bundle: str) -> ssl.SSLContext:
    """A client's context that trusts this bundle alone.

    Raises:
        OSError: it cannot be read.
    """
    if Path(bundle).is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)
