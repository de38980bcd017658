"""The dashboard of `jwt-guard audit serve`: read-only, drawn here, protected by the guard."""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from jwt_guard.audit.charts import Series, bar_list, stacked_columns
from jwt_guard.audit.report import Report, report_of
from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard
from jwt_guard.http import RequestView, WsgiView
from jwt_guard.requirements import Requirement

__all__ = ["Dashboard", "Server"]

COOKIE = "jwt_guard_audit"
_LONGEST_TOKEN = 3800
_FRESH = 5.0
_RANGES = {"1h": 1.0, "24h": 24.0, "7d": 168.0}

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Environ = dict[str, Any]
Answer = tuple[int, list[tuple[str, str]], bytes]

_STYLE = """
:root{color-scheme:light dark;--page:#f7f7f5;--card:#fff;--ink:#1c1c1a;--soft:#5f5e5a;
--line:#e3e2de;--ok:#2a6fb8;--refused:#d1432f;--denied:#c98500;--bar:#6b7f95}
@media(prefers-color-scheme:dark){:root{--page:#161615;--card:#20201e;--ink:#ecebe6;--soft:#a3a29b;
--line:#35342f;--ok:#5b9fe0;--refused:#e8705d;--denied:#e0a93a;--bar:#8ea3ba}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}main{max-width:1060px;margin:0 auto;padding:20px}
header{display:flex;flex-wrap:wrap;gap:8px 20px;align-items:baseline;margin-bottom:14px}
h1{font-size:20px;margin:0 auto 0 0}h2{font-size:15px;margin:0 0 10px}
nav a,button{color:var(--ink)}nav a{margin-right:10px}nav a[aria-current]{font-weight:600;
text-decoration:none}section{background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:14px 16px;margin-bottom:14px;overflow:hidden}.pair{display:grid;gap:0 14px;
grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}.tiles{display:grid;gap:14px;
grid-template-columns:repeat(auto-fit,minmax(140px,1fr));margin-bottom:14px}.tiles section{margin:0}
.tiles b{display:block;font-size:26px;font-weight:600}.tiles span,.none,.tick,.legend,footer{
color:var(--soft)}svg{width:100%;height:auto;display:block}svg text{font:13px system-ui,sans-serif;
fill:var(--ink)}svg .tick{fill:var(--soft)}.grid{stroke:var(--line)}.ok{fill:var(--ok)}
.refused{fill:var(--refused)}.denied{fill:var(--denied)}.bar{fill:var(--bar)}.legend i{display:
inline-block;width:11px;height:11px;border-radius:3px;margin:0 5px 0 14px}.legend i.ok{background:
var(--ok)}.legend i.refused{background:var(--refused)}.legend i.denied{background:var(--denied)}
.scroll{overflow-x:auto}.time svg{min-width:640px}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:5px 14px 5px 0;
border-top:1px solid var(--line);white-space:nowrap}th{font-weight:600;border:0}
textarea{width:100%;min-height:110px;font:13px ui-monospace,monospace}button{padding:7px 14px;
border:1px solid var(--line);border-radius:6px;background:var(--card);font:inherit;cursor:pointer}
.wrong{color:var(--refused)}form.inline{display:inline}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", _POLICY),
]


class _CookieView(WsgiView):
    """A browser's request: the token in our cookie stands for an Authorization header."""

    __slots__ = ("_token",)

    def __init__(self, environ: Environ, token: str) -> None:
        super().__init__(environ)
        self._token = token

    def header(self, name: str) -> list[str]:
        """As sent, with the token where it belongs."""
        return [f"Bearer {self._token}"] if name == "authorization" else super().header(name)


class Dashboard:
    """The WSGI application: `GET /`, `POST /login`, `POST /logout`.

    Args:
        guard: says who calls and what they may.
        log: the log's current part.
        requirement: what is asked of whoever looks at it.
        hosts: the host names under which it answers, so that no foreign name leads here.
    """

    def __init__(
        self, guard: Guard, log: Path, requirement: Requirement, hosts: Iterable[str]
    ) -> None:
        self._guard = guard
        self._log = log
        self._requirement = requirement
        self._hosts = frozenset(hosts)
        self._lock = threading.Lock()
        self._reports: dict[str, tuple[float, Report]] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer a request (PEP 3333)."""
        status, headers, body = self._answer(environ)
        start_response(f"{status} {HTTPStatus(status).phrase}", [*_HEADERS, *headers])
        return [body]

    def _answer(self, environ: Environ) -> Answer:
        asked = (environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/"))
        if _host_of(environ) not in self._hosts:
            return 421, [], _page("Wrong host", "<p>This is not the host you asked for.</p>")
        match asked:
            case ("GET", "/"):
                return self._dashboard(environ)
            case ("POST", "/login") if _is_our_own(environ):
                return self._login(environ)
            case ("POST", "/logout") if _is_our_own(environ):
                return 303, [("Location", "/"), ("Set-Cookie", _cookie(environ, "", age=0))], b""
            case _:
                return 404, [], _page("Not found", "<p>There is nothing here.</p>")

    def _admit(self, view: RequestView) -> None:
        """Raises `Refusal` for whoever may not look."""
        outcome = run(self._guard.identify(view))
        self._guard.permit(outcome, view, self._requirement)

    def _dashboard(self, environ: Environ) -> Answer:
        token = _token_of(environ)
        try:
            self._admit(_CookieView(environ, token) if token else WsgiView(environ))
        except Refusal as refusal:
            return self._refused(refusal, wrong=bool(token))
        asked = parse_qs(environ.get("QUERY_STRING", "")).get("range", ["24h"])[0]
        span = asked if asked in _RANGES else "24h"
        try:
            report = self._report(span)
        except OSError as error:
            return 503, [], _page("No log", f"<p>The log cannot be read: {escape(str(error))}</p>")
        return 200, [], _page("Audit", _overview(report, span), refresh=True)

    def _login(self, environ: Environ) -> Answer:
        token = _form(environ).get("token", [""])[0].strip().removeprefix("Bearer ")
        if not token or len(token) > _LONGEST_TOKEN or not token.isascii():
            return 400, [], _login_page(wrong=True)
        try:
            self._admit(_CookieView(environ, token))
        except Refusal as refusal:
            return self._refused(refusal, wrong=True)
        return 303, [("Location", "/"), ("Set-Cookie", _cookie(environ, token))], b""

    def _refused(self, refusal: Refusal, *, wrong: bool) -> Answer:
        """The guard's own status and headers, with a page that people can use."""
        reply = self._guard.reply(refusal)
        told = [pair for pair in reply.headers if pair[0] not in {"Content-Type", "Cache-Control"}]
        return reply.status, told, _login_page(wrong=wrong)

    def _report(self, span: str) -> Report:
        with self._lock:
            made, report = self._reports.get(span, (0.0, None))
            if report is None or time.monotonic() - made > _FRESH:
                report = report_of(self._log, hours=_RANGES[span])
                self._reports[span] = (time.monotonic(), report)
            return report


class _Handler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base calls it so
        """Whoever looks is in the audit log; the terminal stays quiet."""


class Server(ThreadingMixIn, WSGIServer):
    """A server for a few people on a trusted network."""

    daemon_threads = True

    @classmethod
    def at(cls, host: str, port: int, app: Dashboard) -> "Server":
        """Listening. Raises OSError where the port is taken."""
        server = cls((host, port), _Handler)
        server.set_app(app)
        return server


def _host_of(environ: Environ) -> str:
    host = str(environ.get("HTTP_HOST", ""))
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host


def _is_our_own(environ: Environ) -> bool:
    """Whether a form of ours was sent, as browsers tell (Fetch Metadata, else Origin)."""
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return bool(site == "same-origin")
    origin = str(environ.get("HTTP_ORIGIN", ""))
    return origin.partition("://")[2] == environ.get("HTTP_HOST")


def _form(environ: Environ) -> dict[str, list[str]]:
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not length.isdigit() or int(length) > 4 * _LONGEST_TOKEN:
        return {}
    body: bytes = environ["wsgi.input"].read(int(length))
    return parse_qs(body.decode("utf-8", "replace"))


def _token_of(environ: Environ) -> str | None:
    try:
        cookies: SimpleCookie = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None


def _cookie(environ: Environ, token: str, *, age: int | None = None) -> str:
    secure = "; Secure" if environ.get("wsgi.url_scheme") == "https" else ""
    ends = "" if age is None else f"; Max-Age={age}"
    return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{ends}"


def _page(title: str, body: str, *, refresh: bool = False) -> bytes:
    again = '<meta http-equiv="refresh" content="30">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · jwt-guard</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    ).encode()


def _login_page(*, wrong: bool) -> bytes:
    told = '<p class="wrong" role="alert">This token does not open the log.</p>' if wrong else ""
    return _page(
        "Audit",
        f"<section><h1>Audit log</h1><p>Paste an access token that may read it.</p>{told}"
        '<form method="post" action="/login"><label for="token">Access token</label>'
        '<textarea id="token" name="token" required autocomplete="off" spellcheck="false">'
        "</textarea><p><button>Look</button></p></form></section>",
    )


def _overview(report: Report, span: str) -> str:
    return "".join(
        (
            _header(span),
            _tiles(report),
            _timeline(report),
            _tops(report),
            _alerts(report),
            _sessions(report),
            _footer(report),
        )
    )


def _header(span: str) -> str:
    links = "".join(
        f'<a href="/?range={name}"{" aria-current=page" if name == span else ""}>{name}</a>'
        for name in _RANGES
    )
    return (
        f'<header><h1>Audit log</h1><nav aria-label="Range">{links}</nav>'
        '<form class="inline" method="post" action="/logout"><button>Leave</button></form></header>'
    )


def _tiles(report: Report) -> str:
    tiles = {
        "verified": report.total("authenticated"),
        "refused": report.total("refused"),
        "denied": report.total("denied"),
        "alerts": len(report.alerts),
        "live sessions": len(report.sessions),
    }
    shown = "".join(
        f"<section><b>{number:,}</b><span>{name}</span></section>" for name, number in tiles.items()
    )
    return f'<div class="tiles">{shown}</div>'


def _timeline(report: Report) -> str:
    series = [
        Series("verified", "ok", report.outcomes["authenticated"]),
        Series("denied", "denied", report.outcomes["denied"]),
        Series("refused", "refused", report.outcomes["refused"]),
    ]
    count = len(series[0].values)
    width = (report.until - report.since) / count
    form = "%H:%M" if report.until - report.since <= 86_400 else "%b %d %H:%M"
    labels = [_instant(report.since + place * width, form) for place in range(count)]
    legend = "".join(f'<i class="{each.css}"></i>{each.name}' for each in series)
    return (
        f"<section><h2>Outcomes over time (UTC)</h2>"
        f'<div class="scroll time">'
        f"{stacked_columns('Outcomes over time', series, labels)}</div>"
        f'<div class="legend">{legend}</div></section>'
    )


def _tops(report: Report) -> str:
    lists = {
        "Refusals by reason": (report.reasons, "refused"),
        "Refused addresses": (report.addresses, "refused"),
        "Busiest subjects": (report.subjects, "bar"),
        "Other events": (report.events, "bar"),
    }
    shown = "".join(
        f"<section><h2>{title}</h2>{bar_list(title, values, css)}</section>"
        for title, (values, css) in lists.items()
    )
    return f'<div class="pair">{shown}</div>'


def _alerts(report: Report) -> str:
    if not report.alerts:
        return '<section><h2>Alerts</h2><p class="none">None.</p></section>'
    rows = "".join(
        f"<tr><td>{_instant(alert.time)}</td><td>{_cell((alert.detail or {}).get('rule'))}</td>"
        f"<td>{_cell((alert.detail or {}).get('title'))}</td><td>{_cell(alert.subject)}</td>"
        f"<td>{_cell(alert.address)}</td></tr>"
        for alert in report.alerts
    )
    head = "<tr><th>Time (UTC)<th>Rule<th>What<th>Subject<th>Address</tr>"
    return (
        f'<section><h2>Alerts</h2><div class="scroll"><table>{head}{rows}</table></div></section>'
    )


def _sessions(report: Report) -> str:
    newest = sorted(report.sessions.items(), key=lambda item: -item[1][0])[:12]
    if not newest:
        return '<section><h2>Live sessions</h2><p class="none">None in half an hour.</p></section>'
    rows = "".join(
        f"<tr><td>{_cell(session)}</td><td>{_cell(subject)}</td><td>{_instant(seen)}</td></tr>"
        for session, (seen, subject) in newest
    )
    head = "<tr><th>Session<th>Subject<th>Last seen (UTC)</tr>"
    return (
        f'<section><h2>Live sessions</h2><div class="scroll"><table>{head}{rows}</table></div>'
        "</section>"
    )


def _footer(report: Report) -> str:
    notes = [] if report.whole else ["only the newest part of the log was read"]
    if report.bad_lines:
        notes.append(f"{report.bad_lines} lines are no records")
    told = "; ".join([*notes, "whether the log is whole, `jwt-guard audit verify` tells"])
    return f"<footer>{escape(told)}</footer>"


def _cell(value: object) -> str:
    return escape(str(value)[:80]) if value is not None else "-"


def _instant(moment: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(form)
