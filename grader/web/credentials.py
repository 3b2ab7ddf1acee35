"""Passwords, tokens, cookies' secrets, and how often somebody may try."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

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


@dataclass
class Limiter:
    """At most ``n`` tries in ``per_s`` seconds for each name; kept in memory, for this process."""

    n: int
    per_s: float
    clock: Callable[[], float] = time.monotonic
    _tries: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_s(self, name: str) -> float:
        """How long to wait before the next try, 0 if it may be now."""
        with self._lock:
            tries = self._of(name)
            return max(0.0, tries[0] + self.per_s - self.clock()) if len(tries) >= self.n else 0.0

    def tried(self, name: str) -> None:
        """Counts a try that failed."""
        with self._lock:
            self._of(name).append(self.clock())
            while len(self._tries) > 10_000:
                self._tries.popitem(last=False)

    def forget(self, name: str) -> None:
        """Somebody got in: their tries count no more."""
        with self._lock:
            self._tries.pop(name, None)

    def _of(self, name: str) -> deque[float]:
        tries = self._tries.setdefault(name, deque())
        self._tries.move_to_end(name)
        while tries and tries[0] + self.per_s <= self.clock():
            tries.popleft()
        return tries


class SignInTries:
    """How often somebody may fail to sign in within a quarter of an hour.

    Few times under one name from one address; more under one name from anywhere, so that a stranger cannot shut its
    owner out with five tries; and more from one address, as a whole university may share one.
    """

    def __init__(self) -> None:
        self._limits = {kind: Limiter(n, 15 * 60) for kind, n in (("both", 5), ("name", 50), ("address", 100))}

    def wait_s(self, name: str, address: str) -> float:
        """How long to wait before the next try, 0 if it may be now."""
        return max(self._limits[kind].wait_s(key) for kind, key in self._keys(name, address).items())

    def failed(self, name: str, address: str) -> None:
        """Counts a try."""
        for kind, key in self._keys(name, address).items():
            self._limits[kind].tried(key)

    def succeeded(self, name: str, address: str) -> None:
        """Their tries from there count no more."""
        self._limits["both"].forget(self._keys(name, address)["both"])

    def _keys(self, name: str, address: str) -> dict[str, str]:
        return {"both": f"{name.casefold()} {address}", "name": name.casefold(), "address": address}
