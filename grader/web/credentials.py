"""Passwords, tokens, and cookies' secrets."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
_hasher = PasswordHasher()  # argon2id with the library's parameters, RFC 9106's second recommendation
_at_once = threading.BoundedSemaphore(2)  # a hash takes 64 MiB


def hashed(password: str) -> str:
    """The argon2id hash of a password, with its salt and parameters."""
    with _at_once:
        return _hasher.hash(password)


_nobodys = hashed(secrets.token_urlsafe())


def is_password(given: str, kept: str | None) -> bool:
    """Whether ``given`` is the password with the hash ``kept``. Takes as long where there is none."""
    if len(given) > LONGEST_PASSWORD:
        return False
    try:
        with _at_once:
            return _hasher.verify(kept or _nobodys, given) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def new_secret() -> str:
    """256 random bits, fit for an address or a cookie."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256, in hexadecimal. A secret of 256 random bits needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def csrf_token(secret: str) -> str:
    """What forms of the person with this cookie carry: nobody else can know it."""
    return hmac.new(secret.encode("utf-8", "replace"), b"form", hashlib.sha256).hexdigest()


def is_csrf_token(given: str, secret: str) -> bool:
    """Whether a form came from a page that was made for this cookie."""
    return bool(secret) and hmac.compare_digest(given.encode("utf-8", "replace"), csrf_token(secret).encode())
