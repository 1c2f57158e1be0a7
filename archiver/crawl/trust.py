"""Whether a server's certificate would have been accepted by a careful client.

An archive keeps pages of sites whose certificates are broken, so the connection is made either way; what was found is
kept with the capture, because it bears on how far the page can be believed.
"""

from __future__ import annotations

import logging
import ssl
from functools import cache
from typing import Any

from OpenSSL import crypto
from service_identity.pyopenssl import verify_hostname

logger = logging.getLogger(__name__)


def is_trusted(connection: Any) -> bool | None:
    """Return whether chain, dates and name of a TLS connection's certificate hold; ``None`` if that is not known.

    OpenSSL judges, as it does for most clients; stricter readings of the standard refuse certificates that work.
    """
    name = connection.get_servername()
    store = _trust_store()
    if store is None or not name:
        return None
    try:
        leaf, *intermediates = connection.get_peer_cert_chain()
        crypto.X509StoreContext(store, leaf, intermediates).verify_certificate()
        verify_hostname(connection, name.decode("ascii"))
    except Exception:  # noqa: BLE001  a certificate can be broken in more ways than there are names for
        return False
    return True


@cache
def _trust_store() -> crypto.X509Store | None:
    """Return the machine's trusted roots: ``SSL_CERT_FILE``, ``SSL_CERT_DIR``, or where OpenSSL looks by default."""
    paths = ssl.get_default_verify_paths()
    store = crypto.X509Store()
    try:
        store.load_locations(paths.cafile, paths.capath)
    except crypto.Error as error:
        logger.info("certificates are not judged, no trusted roots were found: %s", error)
        return None
    return store
