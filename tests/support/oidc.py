"""A certified OpenID provider on loopback, for tests that need tokens which we did not make.

It is npm's ``oidc-provider``. The fixtures are ``oidc_provider``, one for the whole session, and
``fresh_oidc_provider``, the same one as it was at its start: for tests that rotate, break or count.
"""

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from tests.support.dpop import PrivateKey, dpop_proof, s256
from tests.support.node import (
    InstallationError,
    NodeError,
    NodeProgram,
    install_packages,
    missing_node,
)
from tests.support.requirements import require_or_skip

ASYMMETRIC_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")

Endpoint: TypeAlias = Literal["jwks", "discovery", "token", "introspection", "revocation"]

_FOLDER = Path(__file__).with_name("oidc_provider")
_REDIRECT_URI = "https://client.example.test/callback"
_REDIRECTS = 3  # to the login form, back from it, to the client
_SERVICE = "service"
_SERVICE_SECRET = "service-secret-of-the-tests"


class OIDCError(Exception):
    """The provider refused a request; the text is its error code and description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What the token endpoint answered, and to which client."""

    client_id: str
    access_token: str = field(repr=False)
    token_type: str
    expires_in: int
    scope: str | None = None
    id_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)


def resource(algorithm: str) -> str:
    """The resource, and so the audience, whose access tokens are signed with this algorithm."""
    return f"https://{algorithm.lower()}.api.example.test"


class OIDCProvider:
    """The provider: start it, get tokens of every kind from it, rotate its keys, break it.

    What is asked through this object is neither counted nor hindered by faults; only what the code
    under test asks is.
    """

    def __init__(self, *, port: int = 0, issuer: str | None = None) -> None:
        """Choose the port (0: a free one) and the issuer's name (None: its own URL)."""
        self._arguments = ["--port", str(port), *(["--issuer", issuer] if issuer else [])]
        self._program: NodeProgram | None = None

    def start(self) -> Self:
        """Install the provider if need be, and start it.

        Raises InstallationError or NodeError.
        """
        install_packages(_FOLDER)
        self._program = NodeProgram(_FOLDER / "server.mjs", *self._arguments)
        ready = self._program.ready
        self.issuer: str = ready["issuer"]
        self.url = f"http://127.0.0.1:{ready['port']}"
        self._secrets: dict[str, str] = ready["secrets"]
        self._http = _client()
        return self

    def stop(self) -> None:
        """End the provider's process. Stopping twice is harmless."""
        if self._program is not None:
            self._http.close()
            self._program.stop()
            self._program = None

    def __enter__(self) -> Self:
        """Start on entry to a ``with`` block."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop at the end of a ``with`` block."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process number of the running provider."""
        return self._running.pid

    @property
    def jwks_uri(self) -> str:
        """Where the provider serves its public keys."""
        return f"{self.url}/jwks"

    @property
    def discovery_uri(self) -> str:
        """Where the provider serves its metadata (OpenID Connect Discovery 1.0)."""
        return f"{self.url}/.well-known/openid-configuration"

    def access_token(
        self,
        alg: str = "RS256",
        *,
        scope: str = "reports:read",
        resource: str | None = None,
        claims: Mapping[str, Any] | None = None,
        dpop_key: PrivateKey | None = None,
        **wishes: Any,
    ) -> str:
        """An ``at+jwt`` access token of the client ``service``, by client_credentials.

        ``resource`` becomes the audience; without one it is ``resource(alg)``. ``claims`` are added
        to roles, tenant, acr and auth_time, or replace these, never the standard ones. Further
        wishes: ``kid`` (sign with this key), ``ttl`` (seconds), ``encrypt`` (a mapping of alg, enc
        and the resource server's jwk) and ``format="opaque"``.
        """
        form = {"grant_type": "client_credentials", "scope": scope}
        form["resource"] = _indicator(alg, resource, wishes)
        form["extra_claims"] = json.dumps(claims or {})
        form |= {"client_id": _SERVICE, "client_secret": _SERVICE_SECRET}
        return self._tokens(self._http, form, dpop_key).access_token

    def dpop_access_token(self, key: PrivateKey, alg: str = "RS256", **wishes: Any) -> str:
        """An access token bound to the key: ``access_token`` with its ``cnf.jkt``."""
        return self.access_token(alg, dpop_key=key, **wishes)

    def opaque_access_token(self, **wishes: Any) -> str:
        """An access token that only introspection can read."""
        return self.access_token(format="opaque", **wishes)

    def id_token(self, alg: str = "RS256", *, subject: str = "ada") -> str:
        """An ID token by the code flow; its audience is the client ``app-<alg>``."""
        token = self.login(subject, id_token_alg=alg).id_token
        assert token is not None
        return token

    def login(
        self,
        subject: str = "ada",
        *,
        alg: str = "RS256",
        id_token_alg: str = "RS256",
        scope: str = "openid offline_access reports:read",
        resource: str | None = None,
        dpop_key: PrivateKey | None = None,
        **wishes: Any,
    ) -> TokenSet:
        """Log ada, grace, linus or eve in by the code flow with PKCE; no browser takes part."""
        verifier = secrets.token_urlsafe(48)
        query = {"client_id": f"app-{id_token_alg}", "response_type": "code", "scope": scope}
        query["resource"] = _indicator(alg, resource, wishes)
        query |= {"redirect_uri": _REDIRECT_URI, "nonce": secrets.token_urlsafe(16)}
        query |= {"code_challenge": s256(verifier), "code_challenge_method": "S256"}
        query |= {"login_hint": subject, "prompt": "consent"}
        with _client() as browser:
            code = _authorize(browser, f"{self.url}/auth?{urlencode(query)}")
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        form |= {"client_id": query["client_id"], "redirect_uri": _REDIRECT_URI}
        return self._tokens(self._http, form, dpop_key)

    def refresh(self, tokens: TokenSet, *, dpop_key: PrivateKey | None = None) -> TokenSet:
        """Present a refresh token. It is used up; the answer holds the next one."""
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        return self._tokens(self._http, form | {"client_id": tokens.client_id}, dpop_key)

    def introspect(self, token: str) -> dict[str, Any]:
        """What the provider says of an opaque access token or a refresh token (RFC 7662)."""
        answer: dict[str, Any] = self._as_service("/token/introspection", token).json()
        return answer

    def revoke(self, token: str) -> None:
        """Revoke an opaque access token (RFC 7009)."""
        self._as_service("/token/revocation", token)

    def jwks(self) -> dict[str, Any]:
        """The public keys as served."""
        served: dict[str, Any] = _checked(self._http.get(self.jwks_uri)).json()
        return served

    def save_jwks(self, path: Path) -> Path:
        """Write the public keys as served to a file, and return its path."""
        path.write_text(json.dumps(self.jwks()), encoding="utf-8")
        return path

    def hmac_secret(self, alg: str) -> bytes:
        """The secret that signs HS256, HS384 or HS512 access tokens; it is never served."""
        return base64.urlsafe_b64decode(self._secrets[alg] + "==")

    def rotate(self, alg: str = "RS256", *, keep_old: bool = True) -> str:
        """Make a new key the default of its algorithm, and return its kid.

        The one before it is still served, unless ``keep_old`` is false.
        """
        kid: str = self._running.order("rotate", alg=alg, keep_old=keep_old)["kid"]
        return kid

    def drop(self, kid: str) -> None:
        """Stop serving a key, and signing with it."""
        self._running.order("drop", kid=kid)

    def stats(self) -> dict[str, list[float]]:
        """When each endpoint was asked, in seconds since the epoch, since start or reset."""
        times: dict[str, list[float]] = self._running.order("requests")
        return times

    def count(self, endpoint: Endpoint) -> int:
        """How often an endpoint was asked since start or reset."""
        return len(self.stats().get(endpoint, []))

    def fault(
        self, endpoint: Endpoint, *, delay: float = 0, status: int = 0, hold: bool = False
    ) -> None:
        """Break an endpoint until ``heal``.

        It answers after ``delay`` seconds, or with an error ``status``, or (``hold``) not at all;
        requests that were held are answered when it heals.
        """
        self._running.order("fault", endpoint=endpoint, delay=delay, status=status, hold=hold)

    def heal(self, endpoint: Endpoint) -> None:
        """End the fault of an endpoint."""
        self._running.order("heal", endpoint=endpoint)

    def close(self) -> None:
        """Refuse connections, and cut those that are open."""
        self._running.order("close")

    def open(self) -> None:
        """Listen again, on the same port and with the same keys."""
        self._running.order("open")

    def require_dpop_nonce(self, required: bool) -> None:
        """Whether a DPoP proof at the token endpoint must carry the provider's nonce."""
        self._running.order("require_dpop_nonce", required=required)

    def reset(self) -> None:
        """Heal, listen, forget the counts, and go back to the keys of the start."""
        self._running.order("reset")

    @property
    def _running(self) -> NodeProgram:
        if self._program is None:
            raise NodeError("the provider is not running")
        return self._program

    def _as_service(self, path: str, token: str) -> httpx2.Response:
        credentials = (_SERVICE, _SERVICE_SECRET)
        answer = self._http.post(self.url + path, data={"token": token}, auth=credentials)
        return _checked(answer)

    def _tokens(
        self, http: httpx2.Client, form: dict[str, str], dpop_key: PrivateKey | None
    ) -> TokenSet:
        url = f"{self.url}/token"
        answer = http.post(url, data=form, headers=_proof(dpop_key, url, None))
        nonce = answer.headers.get("dpop-nonce")
        if answer.status_code == 400 and answer.json()["error"] == "use_dpop_nonce":
            answer = http.post(url, data=form, headers=_proof(dpop_key, url, nonce))
        return TokenSet(client_id=form["client_id"], **_checked(answer).json())


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OIDCProvider]:
    """The running provider, shared by the session: for tests that only ask it for tokens."""
    missing = missing_node() or _missing_packages()
    require_or_skip("node", missing is None, missing or "")
    with OIDCProvider() as provider:
        yield provider


@pytest.fixture
def fresh_oidc_provider(oidc_provider: OIDCProvider) -> Iterator[OIDCProvider]:
    """The shared provider with its first keys, no faults and nothing counted, before and after."""
    oidc_provider.reset()
    yield oidc_provider
    oidc_provider.reset()


def _missing_packages() -> str | None:
    try:
        install_packages(_FOLDER)
    except InstallationError as error:
        return str(error)
    return None


def _client() -> httpx2.Client:
    # The provider leaves requests with this header out of its counts and its faults.
    return httpx2.Client(headers={"x-test-harness": "1"}, trust_env=False, timeout=10)


def _indicator(alg: str, audience: str | None, wishes: Mapping[str, Any]) -> str:
    texts = {name: _text(wish) for name, wish in wishes.items()}
    return f"{audience or resource(alg)}?{urlencode({'alg': alg, **texts})}"


def _text(wish: Any) -> str:
    return wish if isinstance(wish, str) else json.dumps(wish)


def _proof(key: PrivateKey | None, url: str, nonce: str | None) -> dict[str, str]:
    return {} if key is None else {"DPoP": dpop_proof(key, "POST", url, nonce=nonce)}


def _checked(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_error:
        raise OIDCError(f"{answer.status_code}: {answer.text}")
    return answer


def _authorize(browser: httpx2.Client, url: str) -> str:
    """Follow the provider's redirects up to the client's own address, and return the code."""
    for _ in range(_REDIRECTS):
        answer = _checked(browser.get(url))
        url = str(answer.url.join(answer.headers["location"]))
    reply = parse_qs(urlsplit(url).query)
    if "code" not in reply:
        raise OIDCError(f"no code in {url}")
    return reply["code"][0]
