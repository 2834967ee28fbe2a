"""Seals provider keys with a key file outside the database, so that a copy of the database alone gives nothing away.

Hides the cipher (Fernet: AES-128-CBC with HMAC-SHA-256) and the key file (made at first use, mode 0600).
"""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from labelwright.core.errors import LabelwrightError


class Secrets:
    """Seals and opens short secrets."""

    def __init__(self, key_file: Path) -> None:
        """Use this key file; it is made when first needed."""
        self._key_file = key_file

    def seal(self, secret: str) -> str:
        """The secret as text that only this installation can open."""
        return self._fernet().encrypt(secret.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """The secret again.

        Raises:
            LabelwrightError: The key file is not the one it was sealed with.
        """
        try:
            return self._fernet().decrypt(sealed.encode("ascii")).decode()
        except (InvalidToken, UnicodeError) as error:
            raise LabelwrightError(
                "sealed_elsewhere", "a stored key cannot be opened with this key file", "enter the key again"
            ) from error

    def _fernet(self) -> Fernet:
        try:
            handle = os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
        return Fernet(self._key_file.read_bytes().strip())
