"""`jwt-guard attack`: try the whole playbook on an API that you own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import click
from rich.console import Console

from jwt_guard.attacks import (
    Attack,
    Carrier,
    Limits,
    Listener,
    NetworkTarget,
    Plan,
    Report,
    Request,
    Runner,
    Severity,
    route,
    select,
)
from jwt_guard.attacks.context import host_of, loopback
from jwt_guard.attacks.material import attacker_jwks
from jwt_guard.attacks.plan import POLICIES, REFRESH_BODY, carrying
from jwt_guard.attacks.reports import (
    Progress,
    as_html,
    as_json,
    as_junit,
    as_sarif,
    print_report,
)

__all__ = ["attack"]

WIDTH = 120
F = TypeVar("F", bound=Callable[..., Any])


class RouteType(click.ParamType[Request]):
    """`PATH` or `METHOD PATH`."""

    name = "route"

    def __init__(self, method: str = "GET") -> None:
        self._method = method

    def convert(
        self, value: str | Request, param: click.Parameter | None, ctx: click.Context | None
    ) -> Request:
        """The request that the text means."""
        if isinstance(value, Request):
            return value
        try:
            return route(value, method=self._method)
        except ValueError as e:
            self.fail(str(e), param, ctx)


class SecretText(click.ParamType[str]):
    """A secret given as a file, so that it is not seen in the process list."""

    name = "file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The file's text."""
        try:
            return Path(value).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as e:
            self.fail(f"cannot read {value}: {type(e).__name__}", param, ctx)


class TokenText(click.ParamType[str]):
    """A token as it is, or as `@FILE`."""

    name = "token"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The token's text."""
        if value.startswith("@"):
            return SecretText().convert(value[1:], param, ctx)
        return value.strip()


class HeaderType(click.ParamType[tuple[str, str]]):
    """`NAME: VALUE`."""

    name = "header"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """The header's name and value."""
        if isinstance(value, tuple):
            return value
        name, colon, text = value.partition(":")
        if not colon or not name.strip():
            self.fail("a header is NAME: VALUE", param, ctx)
        return name.strip(), text.strip()


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order in which they are listed."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


POST = RouteType("POST")


class ReportFile(click.Path):
    """A file that can be written when the run is over, as far as can be told before it."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path, in a folder that is there."""
        path = Path(str(super().convert(value, param, ctx)))
        if not os.access(path.parent, os.W_OK):
            self.fail(f"no folder to write in: {path.parent}", param, ctx)
        return path


FILE = ReportFile()

_request_options = _all(
    click.option(
        "--token",
        type=TokenText(),
        required=True,
        envvar="JWT_GUARD_ATTACK_TOKEN",
        help="A good token, or @FILE. Also from JWT_GUARD_ATTACK_TOKEN.",
    ),
    click.option("--method", default="GET", show_default=True, help="The request's method."),
    click.option(
        "--header",
        "headers",
        type=HeaderType(),
        multiple=True,
        metavar="NAME: VALUE",
        help="A header more; may be repeated.",
    ),
    click.option("--body", help="The request's body, JSON or form."),
    click.option(
        "--token-header",
        default="Authorization",
        show_default=True,
        help="The header that carries the token. Found out where neither this is named nor the "
        "next two.",
    ),
    click.option("--scheme", default="Bearer", show_default=True, help="The scheme before it."),
    click.option("--cookie", help="The cookie that carries the token, instead of a header."),
    click.option("--marker", help="Text that only a good token's answer holds."),
)
_key_options = _all(
    click.option("--jwks", metavar="FILE|URL", help="The target's public keys."),
    click.option(
        "--allow-issuer",
        is_flag=True,
        help="Ask the token's issuer for its keys, though it is another host.",
    ),
    click.option(
        "--signing-key",
        type=SecretText(),
        help="Your signing key (JWK, PEM, HMAC secret): the claims are tested too.",
    ),
    click.option("--retired-key", type=SecretText(), help="A signing key that must not work."),
    click.option("--dpop-key", type=SecretText(), help="The private key the token is bound to."),
    click.option("--second-token", type=TokenText(), help="A token of a user with fewer rights."),
    click.option(
        "--other-token",
        "other_tokens",
        type=TokenText(),
        multiple=True,
        help="A token of another kind (ID, refresh); may be repeated.",
    ),
    click.option("--second-issuer", help="Another issuer's name that the target trusts."),
    click.option(
        "--wordlist",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Words to try as HMAC secrets, before the generated ones.",
    ),
)
_route_options = _all(
    click.option("--login", type=POST, help="The login route."),
    click.option(
        "--login-body", type=SecretText(), metavar="FILE", help="The login's body, JSON or form."
    ),
    click.option("--refresh", type=POST, help="The refresh route."),
    click.option(
        "--refresh-body",
        default=REFRESH_BODY,
        show_default=True,
        help="Its body; {refresh_token} is replaced.",
    ),
    click.option(
        "--refresh-as-bearer", is_flag=True, help="The refresh token travels as Bearer instead."
    ),
    click.option("--logout", type=POST, help="The logout route."),
    click.option("--logout-everywhere", type=POST, help="The route that ends all sessions."),
    click.option(
        "--disable", type=POST, help="A route that disables the account of the login (runs last)."
    ),
    click.option(
        "--role-route",
        "role_routes",
        type=RouteType(),
        multiple=True,
        help="A route that needs a role; may be repeated.",
    ),
    click.option("--role-claim", help="The claim with the roles, dotted."),
    click.option("--tenant-route", type=RouteType(), help="A route of another tenant's data."),
    click.option("--stream-route", type=RouteType(), help="A route that streams."),
    click.option("--websocket-route", type=RouteType(), help="A route that speaks WebSocket."),
    click.option(
        "--stream-grace",
        type=click.IntRange(0),
        default=60,
        show_default=True,
        help="Seconds that a stream may outlive its session; 0 leaves that untested.",
    ),
    click.option("--cookie-login", type=POST, help="A login route that answers with cookies."),
    click.option(
        "--cookie-login-body", type=SecretText(), metavar="FILE", help="Its body, JSON or form."
    ),
    click.option("--unsafe-route", type=POST, help="A route that changes something, for CSRF."),
    click.option("--csrf-proof", help="A good CSRF proof for --unsafe-route."),
    click.option(
        "--csrf-header",
        default="X-CSRF-Token",
        show_default=True,
        help="The header that carries it.",
    ),
    click.option("--csrf-cookie", help="The cookie that brings it, or that it is compared with."),
    click.option("--other-csrf-proof", help="A good CSRF proof of another session."),
    click.option(
        "--redirect-route",
        metavar="PATH",
        help="A path that redirects to the URL put for {url} in it, for D3.",
    ),
    click.option("--public-path", default="/", show_default=True, help="A path open to all."),
    click.option(
        "--policy",
        "policies",
        type=click.Choice(POLICIES),
        multiple=True,
        help="A promise of the target that is to be tested; may be repeated.",
    ),
    click.option(
        "--leeway",
        type=click.IntRange(0),
        default=60,
        show_default=True,
        help="Seconds of clock difference that the target may tolerate.",
    ),
)
_run_options = _all(
    click.option("--only", multiple=True, metavar="ID|GROUP", help="Run only these."),
    click.option("--skip", multiple=True, metavar="ID|GROUP", help="Do not run these."),
    click.option(
        "--rate",
        type=click.FloatRange(min=0.1),
        default=100.0,
        show_default=True,
        help="Requests a second at most.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0.1),
        default=10.0,
        show_default=True,
        help="Seconds for one request.",
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(min=1),
        default=600.0,
        show_default=True,
        help="Seconds for the whole run.",
    ),
    click.option(
        "--max-requests",
        type=click.IntRange(1),
        default=5000,
        show_default=True,
        help="Requests in all.",
    ),
    click.option(
        "--log",
        "logs",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="A log file of the target, to be searched for tokens; may be repeated.",
    ),
    click.option(
        "--callback",
        metavar="HOST:PORT",
        help="Where to listen for callbacks, and the address that tokens name.",
    ),
    click.option(
        "--provider",
        is_flag=True,
        help="The target takes its keys from http://CALLBACK/provider/jwks.json.",
    ),
    click.option("--no-callback", is_flag=True, help="Do not listen for callbacks."),
    click.option("--insecure", is_flag=True, help="Take any TLS certificate."),
    click.option(
        "--i-own-this-host",
        metavar="HOST",
        help="Needed for targets beyond this machine: the target's host, repeated.",
    ),
)
_output_options = _all(
    click.option("--json", "as_json_", is_flag=True, help="Print the report as JSON."),
    click.option("--sarif", type=FILE, help="Write the report as SARIF 2.1.0."),
    click.option("--junit", type=FILE, help="Write the report as JUnit XML."),
    click.option("--html", type=FILE, help="Write the report as one HTML page."),
    click.option(
        "--fail-on",
        type=click.Choice([s.label for s in Severity]),
        default="medium",
        show_default=True,
        help="The least severity that makes the exit status 1.",
    ),
)


@click.command()
@click.argument("url")
@_request_options
@_key_options
@_route_options
@_run_options
@_output_options
@click.pass_context
def attack(ctx: click.Context, /, url: str, **options: Any) -> None:
    """Attack the API at URL, which must be yours, as a stranger with a good token would.

    Exit status: 0 safe, 1 a finding at or above --fail-on, 2 could not test.
    """
    _check_target(url, options["i_own_this_host"])
    plan = _plan(url, options)
    attacks = _chosen(options)
    console = Console(stderr=True)
    with ExitStack() as stack:
        stack.enter_context(_stopping_at_sigterm())
        target = stack.enter_context(NetworkTarget(url, verify=not options["insecure"]))
        listener = stack.enter_context(_listening(url, options))
        progress = stack.enter_context(Progress(console))
        runner = Runner(target, plan, limits=_limits(options), listener=listener, observer=progress)
        report = runner.run(attacks)
    written = _put_out(report, options)
    status = report.exit_status(_severity(options["fail_on"]))
    ctx.exit(status if written else status or 2)


def _chosen(options: dict[str, Any]) -> tuple[Attack, ...]:
    try:
        attacks = select(only=options["only"], skip=options["skip"])
    except ValueError as e:
        raise click.UsageError(str(e)) from None
    if not attacks:
        raise click.UsageError("--only and --skip leave no attack to run")
    return attacks


@contextmanager
def _stopping_at_sigterm() -> Generator[None]:
    """Let SIGTERM, by which build servers cancel, end the run as Ctrl-C does: with a report."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _severity(label: str) -> Severity:
    return Severity[label.upper()]


def _check_target(url: str, owned: str | None) -> None:
    parts = _split(url)
    if loopback(parts.hostname) or (owned or "").lower() == parts.hostname:
        return
    raise click.UsageError(
        f"{parts.hostname} is another machine. If it is yours: --i-own-this-host {parts.hostname}"
    )


def _split(url: str) -> SplitResult:
    parts = _parts(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter("that is no http or https URL", param_hint="URL")
    if "@" in parts.netloc:
        text = "no user name or password in it: it would stand in the report (use --header)"
        raise click.BadParameter(text, param_hint="URL")
    return parts


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts._replace(fragment="")


def _plan(url: str, options: dict[str, Any]) -> Plan:
    unsafe = options["unsafe_route"]
    if unsafe is not None and options["csrf_proof"] is not None:
        unsafe = unsafe.setting(options["csrf_header"], options["csrf_proof"])
    return Plan(
        token=options["token"],
        request=_request(url, options),
        carrier=Carrier(
            header=options["token_header"], scheme=options["scheme"], cookie=options["cookie"]
        ),
        jwks=_public_keys(options["jwks"], insecure=options["insecure"]),
        login=_with_body(options, "login"),
        cookie_login=_with_body(options, "cookie_login"),
        unsafe_route=unsafe,
        policies=frozenset(options["policies"]),
        words=_words(options["wordlist"]),
        **{name: options[name] for name in _SAME},
    )


def _with_body(options: dict[str, Any], name: str) -> Request | None:
    route: Request | None = options[name]
    return None if route is None else carrying(route, options[f"{name}_body"])


_SAME = (
    "allow_issuer",
    "csrf_cookie",
    "csrf_header",
    "disable",
    "dpop_key",
    "leeway",
    "logs",
    "logout",
    "logout_everywhere",
    "marker",
    "other_csrf_proof",
    "other_tokens",
    "provider",
    "public_path",
    "redirect_route",
    "refresh",
    "refresh_as_bearer",
    "refresh_body",
    "retired_key",
    "role_claim",
    "role_routes",
    "second_issuer",
    "second_token",
    "signing_key",
    "stream_grace",
    "stream_route",
    "tenant_route",
    "websocket_route",
)


def _request(url: str, options: dict[str, Any]) -> Request:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request(method=options["method"].upper(), target=target, headers=options["headers"])
    return carrying(request, options["body"])


def _public_keys(place: str | None, *, insecure: bool) -> str | None:
    """The text of a key set from a file, or from a URL that the user named himself."""
    if place is None:
        return None
    if not place.startswith(("http://", "https://")):
        return SecretText().convert(place, None, None)
    parts = _split(place)
    with NetworkTarget(place, verify=not insecure) as source:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = source.send(Request(method="GET", target=path), timeout=10)
    if answer.status != 200:
        why = answer.detail or f"it answers {answer.status}"
        raise click.BadParameter(f"{place} gave no key set: {why}", param_hint="--jwks")
    return answer.text


def _words(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    with path.open("rb") as lines:
        return tuple(line.rstrip(b"\r\n").decode("utf-8", "surrogateescape") for line in lines)


def _limits(options: dict[str, Any]) -> Limits:
    return Limits(
        rate=options["rate"],
        timeout=options["timeout"],
        seconds=options["time_limit"],
        requests=options["max_requests"],
    )


@contextmanager
def _listening(url: str, options: dict[str, Any]) -> Generator[Listener | None]:
    """A listener on loopback, for targets there; elsewhere only where the user says."""
    place = options["callback"]
    if options["no_callback"] or (place is None and not loopback(host_of(url))):
        yield None
        return
    host, port = _address(place) if place is not None else ("127.0.0.1", 0)
    try:
        listener = Listener(keys=attacker_jwks(), host=host, port=port)
    except OSError as e:
        raise click.UsageError(f"cannot listen on {host}: {e.strerror}") from None
    with listener:
        yield listener


def _address(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter("an address is HOST:PORT", param_hint="--callback")
    return host.strip("[]"), int(port)


def _put_out(report: Report, options: dict[str, Any]) -> bool:
    """Print the report and write the files asked for; whether all could be written."""
    _print(report, options)
    writers = {"sarif": as_sarif, "junit": as_junit, "html": as_html}
    named = {name: options[name] for name in writers if options[name] is not None}
    written = [_written(path, writers[name](report)) for name, path in named.items()]
    return all(written)


def _written(path: Path, text: str) -> bool:
    try:
        path.write_text(text, "utf-8")
    except OSError as e:
        click.echo(f"Error: cannot write {path}: {e.strerror}", err=True)
        return False
    return True


def _print(report: Report, options: dict[str, Any]) -> None:
    if options["as_json_"]:
        click.echo(as_json(report))
    else:
        width = None if sys.stdout.isatty() else WIDTH
        print_report(report, Console(file=sys.stdout, width=width))
