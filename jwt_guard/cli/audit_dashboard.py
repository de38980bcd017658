"""The dashboard of `jwt-guard audit serve`: read-only, drawn here, protected by the guard."""

import base64
import hashlib
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from jwt_guard.audit.charts import Series, Tick, bar_list, stacked_columns
from jwt_guard.audit.facts import Fact
from jwt_guard.audit.report import Lines, Report, report_of
from jwt_guard.errors import Refusal
from jwt_guard.flow import run
from jwt_guard.guard import Guard
from jwt_guard.http import RequestView, WsgiView
from jwt_guard.requirements import Requirement

__all__ = ["Dashboard", "Server"]

_log = logging.getLogger("jwt_guard.audit")

COOKIE = "jwt_guard_audit"
_LONGEST_TOKEN = 3800
_FRESH = 5.0
_RANGES = {
    "1h": (1.0, 60, 600.0, "%H:%M"),
    "24h": (24.0, 48, 14_400.0, "%H:%M"),
    "7d": (168.0, 56, 86_400.0, "%b %d"),
}
"""By name: hours, intervals, seconds between the marks on the time axis, how those are written."""
_MOST_SESSIONS = 8
_SEVERITIES: dict[object, str] = {1: "low", 2: "low", 3: "medium"}
_PSEUDONYM = re.compile(r"[pu]?[a-z2-7]{24}")

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Environ = dict[str, Any]
Answer = tuple[int, list[tuple[str, str]], bytes]

_STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#5d6672;
--line:#e2e5ea;--ok:#2a6fb8;--refused:#cf3f2c;--denied:#b97900;--bar:#7286a0;--press:#eef1f5}
@media(prefers-color-scheme:dark){:root{--page:#13161a;--card:#1b1f25;--ink:#e8ebef;--soft:#9aa4b1;
--line:#2d333c;--ok:#5b9fe0;--refused:#ec7563;--denied:#e0a93a;--bar:#8698b0;--press:#272d35}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);
font:14px/1.5 system-ui,sans-serif}main{max-width:1120px;margin:0 auto;padding:20px}
h1{font-size:20px;margin:0 auto 0 0}h2{font-size:14px;margin:0 0 12px}p{margin:0 0 12px}
header{display:flex;flex-wrap:wrap;gap:10px 16px;align-items:center;margin-bottom:16px}
nav{display:flex;border:1px solid var(--line);border-radius:8px;overflow:hidden;
background:var(--card)}nav a{padding:6px 14px;color:var(--soft);text-decoration:none}
nav a:hover,button:hover{background:var(--press)}nav a[aria-current]{background:var(--press);
color:var(--ink);font-weight:600}button{padding:6px 14px;border:1px solid var(--line);
border-radius:8px;background:var(--card);color:var(--ink);font:inherit;cursor:pointer}
a:focus-visible,button:focus-visible,textarea:focus-visible{outline:2px solid var(--ok);
outline-offset:-2px}section{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:16px;margin-bottom:16px;min-width:0}.pair{display:grid;gap:0 16px;
grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}.tiles{display:grid;gap:16px;
grid-template-columns:repeat(5,1fr);margin-bottom:16px}.tiles section{margin:0;padding:12px 16px}
.tiles b{display:block;font-size:26px;line-height:1.3;font-variant-numeric:tabular-nums}
.tiles .refused b{color:var(--refused)}.tiles .denied b{color:var(--denied)}
.tiles span,.none,.scale,footer,h2 small,.more{color:var(--soft)}h2 small{font-weight:400}
.chart{display:grid;grid-template-columns:auto 1fr;gap:0 8px;margin-bottom:14px}
.scale{display:flex;flex-direction:column;justify-content:space-between;text-align:right;
font-size:12px;line-height:1;margin:-6px 0;min-width:44px;font-variant-numeric:tabular-nums}
.plot{width:100%;height:170px;overflow:visible}.low .plot{height:84px}
.axis{grid-column:2;width:100%;height:20px;overflow:visible}.axis text{font-size:12px;
fill:var(--soft)}.grid{stroke:var(--line)}rect.ok{fill:var(--ok)}rect.refused{fill:var(--refused)}
rect.denied{fill:var(--denied)}rect.bar{fill:var(--bar)}rect.hover{fill:transparent}
g:hover rect.hover{fill:var(--press)}.legend i{display:inline-block;width:10px;height:10px;
border-radius:3px;margin:0 6px 0 14px}i.ok{background:var(--ok)}i.refused{background:var(--refused)}
i.denied{background:var(--denied)}.legend{font-weight:400}.bars{list-style:none;margin:0;padding:0}
.bars li{display:grid;grid-template-columns:minmax(0,13.5em) 1fr 4em;gap:10px;align-items:center;
padding:3px 0}.bars svg{width:100%;height:12px}.value{text-align:right;
font-variant-numeric:tabular-nums}.name,td{overflow:hidden;text-overflow:ellipsis;
white-space:nowrap}.id{font-family:ui-monospace,monospace;font-size:12px}
table{border-collapse:collapse;width:100%;table-layout:fixed}th,td{text-align:left;
padding:6px 14px 6px 0;border-top:1px solid var(--line)}
th{color:var(--soft);font-weight:400;white-space:nowrap;
border:0}td.when{font-variant-numeric:tabular-nums}td.wide{white-space:normal}
.badge{border-radius:6px;padding:1px 8px;
font-size:12px;border:1px solid;color:var(--soft)}.badge.high{color:var(--refused)}
.badge.medium{color:var(--denied)}.w1{width:9.5em}.w2{width:6.5em}.w3{width:12em}.w4{width:9em}
.login{max-width:560px;margin:8vh auto}textarea{display:block;width:100%;min-height:120px;
margin:6px 0 14px;padding:10px;border:1px solid var(--line);border-radius:8px;
background:var(--page);color:var(--ink);font:12px/1.5 ui-monospace,monospace}
.main{background:var(--ok);border-color:var(--ok);color:#fff}.main:hover{background:var(--ok)}
@media(prefers-color-scheme:dark){.main{color:#10151b}}.wrong{color:var(--refused)}
@media(max-width:760px){main{padding:12px}.tiles{grid-template-columns:repeat(2,1fr);gap:12px}
.tiles section:first-child{grid-column:span 2}h1{width:100%}nav{flex:1}nav a{flex:1;
text-align:center}.axis text:nth-child(even){display:none}
.bars li{grid-template-columns:minmax(0,11em) 1fr 3.2em}
table,tbody{display:block}tr:first-child{display:none}tr{display:flex;flex-wrap:wrap;gap:2px 12px;
padding:8px 0;border-top:1px solid var(--line)}td{border:0;padding:0}td.wide{width:100%}}
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
        log: reads the log.
        requirement: what is asked of whoever looks at it.
        hosts: the host names under which it answers, so that no foreign name leads here.
    """

    def __init__(
        self, guard: Guard, log: Lines, requirement: Requirement, hosts: Iterable[str]
    ) -> None:
        self._guard = guard
        self._log = log
        self._requirement = requirement
        self._hosts = frozenset(hosts)
        self._lock = threading.Lock()
        self._reports: dict[str, tuple[float, Report]] = {}
        self._passing = secrets.token_bytes(16)

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
        except Exception as error:  # noqa: BLE001 - whatever a database's driver raises
            _log.error("the log cannot be read: %s", type(error).__name__)
            told = _page("No log", "<p>The log cannot be read now.</p>")
            return 503, [("Retry-After", "5")], told
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
                hours, intervals, *_ = _RANGES[span]
                report = report_of(self._log, hours=hours, intervals=intervals, name=self._name)
                self._reports[span] = (time.monotonic(), report)
            return report

    def _name(self, written: str) -> str:
        """As the log says, if that is a pseudonym; whatever else it says, a passing one."""
        if _PSEUDONYM.fullmatch(written):
            return written
        digest = hashlib.blake2b(written.encode(), digest_size=8, key=self._passing)
        return f"~{digest.hexdigest()}"


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
        '<section class="login"><h1>Audit log</h1>'
        "<p>Paste an access token whose roles may read it. It stays in this browser until you "
        f"leave, and is checked on every request.</p>{told}"
        '<form method="post" action="/login"><label for="token">Access token</label>'
        '<textarea id="token" name="token" required autocomplete="off" spellcheck="false">'
        '</textarea><button class="main">Look</button></form></section>',
    )


def _overview(report: Report, span: str) -> str:
    return "".join(
        (
            _header(span),
            _tiles(report),
            _timeline(report, span),
            _tops(report),
            _alerts(report),
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
        '<form method="post" action="/logout"><button>Leave</button></form></header>'
    )


def _tiles(report: Report) -> str:
    alerts = report.rules.total()
    tiles = (
        ("verified", report.total("authenticated"), ""),
        ("refused", report.total("refused"), ""),
        ("denied", report.total("denied"), ""),
        ("alerts", alerts, "refused" if alerts else ""),
        ("live sessions", len(report.sessions), ""),
    )
    shown = "".join(
        f'<section class="{css}"><b>{number:,}</b><span>{name}</span></section>'
        for name, number, css in tiles
    )
    return f'<div class="tiles">{shown}</div>'


def _timeline(report: Report, span: str) -> str:
    """Two scales: a few refusals would not be seen beside many who were let in."""
    count = len(report.outcomes["authenticated"])
    width = (report.until - report.since) / count
    labels = [_instant(report.since + place * width, "%b %d %H:%M") for place in range(count)]
    ticks = _ticks(report, *_RANGES[span][2:])
    verified = [Series("verified", "ok", report.outcomes["authenticated"])]
    others = [Series(each, each, report.outcomes[each]) for each in ("refused", "denied")]
    return (
        "<section><h2>Verified over time <small>UTC</small></h2>"
        f"{stacked_columns('Verified over time', verified, labels, ticks)}"
        f"<h2>Refused and denied over time {_legend(others)}</h2><div class=low>"
        f"{stacked_columns('Refused and denied over time', others, labels, ticks, steps=2)}"
        "</div></section>"
    )


def _legend(series: Iterable[Series]) -> str:
    shown = "".join(f'<i class="{each.css}"></i>{each.name}' for each in series)
    return f'<span class="legend">{shown}</span>'


def _ticks(report: Report, every: float, form: str) -> list[Tick]:
    """Marks at round times."""
    whole = report.until - report.since
    first = -(-report.since // every) * every
    moments = (first + place * every for place in range(int(whole // every) + 1))
    return [
        Tick(100 * (moment - report.since) / whole, _instant(moment, form))
        for moment in moments
        if moment < report.until
    ]


def _tops(report: Report) -> str:
    lists = (
        _bars("Refusals by reason", report.reasons, "refused"),
        _bars("Refused addresses", report.addresses, "refused"),
        _bars("Busiest subjects", report.subjects, "bar"),
        _sessions(report),
        _bars("Alerts by rule", report.rules, "denied", most=12),
        _bars("Other events", report.events, "bar", most=12),
    )
    return f'<div class="pair">{"".join(lists)}</div>'


def _bars(title: str, values: Mapping[str, int], css: str, *, most: int = 8) -> str:
    return f"<section><h2>{title}</h2>{bar_list(title, values, css, most=most)}</section>"


def _sessions(report: Report) -> str:
    newest = sorted(report.sessions.items(), key=lambda item: -item[1][0])
    rows = "".join(
        f"<tr>{_id(session)}{_id(subject)}<td class=when>{_instant(seen, '%H:%M:%S')}</td></tr>"
        for session, (seen, subject) in newest[:_MOST_SESSIONS]
    )
    head = '<tr><th>Session<th>Subject<th class="w2">Seen, UTC</tr>'
    table = f"<table>{head}{rows}</table>" if rows else '<p class="none">None.</p>'
    more = len(newest) - _MOST_SESSIONS
    rest = f'<p class="more">and {more:,} more</p>' if more > 0 else ""
    return f"<section><h2>Live sessions <small>in half an hour</small></h2>{table}{rest}</section>"


def _alerts(report: Report) -> str:
    rows = "".join(map(_alert, report.alerts))
    head = (
        '<tr><th class="w1">Time, UTC<th class="w2">Severity<th class="w3">Rule<th>What'
        '<th class="w3">Subject<th class="w4">Address</tr>'
    )
    table = f"<table>{head}{rows}</table>" if rows else '<p class="none">None.</p>'
    more = report.rules.total() - len(report.alerts)
    rest = f'<p class="more">and {more:,} before them</p>' if more > 0 else ""
    return f"<section><h2>Alerts</h2>{table}{rest}</section>"


def _alert(alert: Fact) -> str:
    detail = alert.detail or {}
    severity = _SEVERITIES.get(detail.get("severity"), "high")
    return (
        f"<tr><td class=when>{_instant(alert.time, '%b %d %H:%M:%S')}</td>"
        f'<td><span class="badge {severity}">{severity}</span></td>'
        f"<td>{_cell(detail.get('rule'))}</td>"
        f'<td class="wide" title="{_cell(detail.get("title"))}">{_cell(detail.get("title"))}</td>'
        f"{_id(alert.subject)}<td>{_cell(alert.address)}</td></tr>"
    )


def _footer(report: Report) -> str:
    notes = [f"as of {_instant(report.now)} UTC, renewed every 30 seconds"]
    if not report.whole:
        notes.append("only the newest part of the log was read")
    if report.bad_lines:
        notes.append(f"{report.bad_lines} lines are no records")
    notes.append("people and sessions stand under pseudonyms")
    notes.append("whether the log is whole, <code>jwt-guard audit verify</code> tells")
    return f"<footer>{'; '.join(notes)}.</footer>"


def _id(value: str | None) -> str:
    """A pseudonym: whole for whoever copies it, cut where there is no room."""
    return f'<td class="id" title="{_cell(value)}">{_cell(value)}</td>'


def _cell(value: object) -> str:
    return escape(str(value)[:80]) if value is not None else "-"


def _instant(moment: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(form)
