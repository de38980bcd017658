"""A configuration is read whole, or every mistake in it is reported with its place and remedy."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from jwt_guard import Config, ConfigurationError, Guard, Problem
from jwt_guard.keys.urls import is_loopback_http
from jwt_guard.settings import Mistake, integer, names, path, paths, seconds, table, text
from tests.support.tokens import AUDIENCE, ISSUER, configuration, jwks, mint, private_jwk
from tests.support.verdicts import key_problems, problems

TOML = """
audience = "https://api.example.test"

[[issuers]]
issuer = "https://issuer.example.test"
keys = "keys.json"
algorithms = ["ES256"]
"""


def _issuer(**changes: Any) -> dict[str, Any]:
    (issuer,) = configuration()["issuers"]
    return configuration(issuers=[{**issuer, **changes}])


def _paths(found: tuple[Problem, ...]) -> list[str]:
    return [problem.path for problem in found]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file whose keys stand beside it."""
    (tmp_path / "keys.json").write_text(json.dumps(jwks()), encoding="utf-8")
    written = tmp_path / "jwt_guard.toml"
    written.write_text(TOML, encoding="utf-8")
    return written


def test_a_small_mapping_is_enough() -> None:
    """Audience and one issuer suffice; all else has a default that is safe."""
    config = Config.load(configuration())
    assert config.audience == (AUDIENCE,)
    assert (config.leeway, config.max_token_age, config.max_token_size) == (0.0, None, 16_384)
    assert config.routes.protect == "all"
    assert config.routes.public == ()
    assert config.tokens is None
    assert config.issuers[0].profile == "rfc9068"
    assert config.cache.size == 10_000


def test_a_config_is_answered_as_it_is() -> None:
    """Loading a `Config` gives the very same one."""
    config = Config.load(configuration())
    assert Config.load(config) is config


def test_any_mapping_will_do() -> None:
    """Mappings that are no dicts are read as well, at the top and below."""
    raw = configuration(cache=MappingProxyType({"size": 5}))
    assert Config.load(MappingProxyType(raw)).cache.size == 5


def test_keys_of_a_file_stand_relative_to_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the process stands, relative paths start from the configuration's folder."""
    monkeypatch.chdir("/")
    assert Guard.from_config(str(file)).verify(mint()).subject == "ada"


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("JWT_GUARD__CACHE__SIZE", "0", lambda c: c.cache.size == 0),
        ("JWT_GUARD__REALM", "inner", lambda c: c.realm == "inner"),
        ("JWT_GUARD__LEEWAY", "5", lambda c: c.leeway == 5.0),
        ("JWT_GUARD__ISSUERS_IN_CODE", "true", lambda c: c.issuers_in_code is True),
        ("JWT_GUARD__ROUTES__PUBLIC", '["/health"]', lambda c: c.routes.public == ("/health",)),
        ("JWT_GUARD__AUDIENCE", "a b", lambda c: c.audience == ("a b",)),
        ("JWT_GUARD__AUDIENCE", "a,b", lambda c: c.audience == ("a,b",)),
        ("JWT_GUARD__AUDIENCE", '["a", "b"]', lambda c: c.audience == ("a", "b")),
        (
            "JWT_GUARD__ISSUERS",
            '[{issuer = "other", keys = "discover.json", algorithms = ["ES256"]}]',
            lambda c: [each.issuer for each in c.issuers] == ["other"],
        ),
        ("JWT_GUARD__AUDIENCE", "9" * 5000, lambda c: c.audience == ("9" * 5000,)),
        ("JWT_GUARD__AUDIENCE", "[" * 5000, lambda c: c.audience == ("[" * 5000,)),
    ],
)
def test_the_environment_overrules_the_file(file: Path, name: str, value: str, read: Any) -> None:
    """A variable counts as a TOML value where it is one, else as text."""
    assert read(Config.load(file, environ={name: value, "OTHER": "1"}))


def test_the_process_environment_is_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `environ` the variables of the process count; a mapping is taken as it stands."""
    monkeypatch.setenv("JWT_GUARD__CACHE__SIZE", "7")
    assert Config.load(file).cache.size == 7
    assert Config.load(configuration()).cache.size == 10_000


@pytest.mark.parametrize(
    "name",
    ["JWT_GUARD__ISSUERS__0__KEYS", "JWT_GUARD__AUDIENCE__X", "JWT_GUARD__", "JWT_GUARD__NOPE"],
)
def test_a_variable_that_leads_nowhere_is_a_mistake(file: Path, name: str) -> None:
    """An override that would be without effect is reported, never ignored."""
    with pytest.raises(ConfigurationError) as caught:
        Config.load(file, environ={name: "x"})
    (problem,) = caught.value.problems
    assert problem.message == "is not a setting"


def test_every_mistake_is_reported_at_once() -> None:
    """Nine mistakes in nine places give nine problems, each with path, message and remedy."""
    found = problems(
        {
            "leeway": 301,
            "leway": 5,
            "issuers": [
                {"issuer": " x", "keys": "k.json", "algorithms": ["none"]},
                {"issuer": "y", "algorithms": ["HS256", "RS256"], "allow_http": "yes"},
            ],
            "roles": {"hierarchy": {"admin": 5}},
            "cache": [],
        }
    )
    assert _paths(found) == [
        "leway",
        "audience",
        "leeway",
        "issuers[0].issuer",
        "issuers[0].algorithms",
        "issuers[1].algorithms",
        "issuers[1].allow_http",
        "roles.hierarchy",
        "cache",
    ]
    assert all(problem.message and problem.remedy for problem in found)
    text_of_all = str(ConfigurationError(*found))
    assert "9 problem(s)" in text_of_all
    assert all(str(problem) in text_of_all for problem in found)


def test_mistakes_of_every_layer_are_told_together(tmp_path: Path) -> None:
    """What does not read, what does not fit together, and keys, stores and files of no use."""
    raw = {
        "audience": 5,
        "issuers": [
            {"issuer": "a", "keys": "no.json", "algorithms": ["RS256"]},
            {"issuer": "b", "keys": "no.json", "algorithms": ["none"]},
            {"issuer": "c", "secret": "short", "algorithms": ["HS256"], "leway": 5},
            {"issuer": "c", "keys": "http://c.test/", "algorithms": ["RS256"], "timout": 1},
            {"issuer": "d", "keys": 5, "algorithms": ["RS256"]},
        ],
        "tokens": {"issuer": "own", "signing_keys": "no.json", "refresh_secret": "env:NOT_SET"},
        "store": {"url": "nothing://"},
        "cache": {"size": -1},
        "audit": {"sink": str(tmp_path / "none" / "audit.jsonl")},
    }
    with pytest.raises(ConfigurationError) as caught:
        Guard.from_config(raw)
    assert _paths(caught.value.problems) == [
        "audience",
        "issuers[1].algorithms",
        "issuers[2].leway",
        "issuers[3].timout",
        "issuers[3].keys",
        "issuers[4].keys",
        "cache.size",
        "issuers",
        "tokens.signing_keys",
        "issuers[0].keys",
        "issuers[2].secret",
        "store.url",
        "tokens.refresh_secret",
        "audit.sink[0]",
    ]


def test_a_broken_table_is_not_taken_for_a_missing_one() -> None:
    """What depends on something broken is not judged: it may be right once that is mended."""
    cookies = {"enabled": True}
    found = problems({"audience": "x", "tokens": {"issuer": 5}, "cookies": cookies})
    assert _paths(found) == ["tokens.issuer", "tokens.signing_keys"]
    found = problems({"audience": "x", "issuers": [{"issuer": "a", "algorithms": ["RS256"]}]})
    assert _paths(found) == ["issuers[0].keys"]


def test_the_tenants_of_one_table_are_one_place() -> None:
    """A path is where its table stands in the file, however many issuers a table makes."""
    many = {"issuer": "x/{tenant}", "tenants": ["a", "b"], "algorithms": ["ES256"]}
    other = {"issuer": "y", "keys": "no.json", "algorithms": ["ES256"]}
    found = key_problems(configuration(issuers=[{**many, "keys": "none.json"}, other]))
    assert _paths(found) == ["issuers[0].keys", "issuers[1].keys"]


def test_a_hierarchy_has_no_circle() -> None:
    """For else an analyst would be an admin, by a slip that nobody sees."""
    circle = {"admin": ["analyst"], "analyst": ["viewer"], "viewer": ["admin"], "x": ["viewer"]}
    (problem,) = problems(configuration(roles={"hierarchy": circle}))
    assert problem.path == "roles.hierarchy"
    assert "admin and analyst and viewer" in problem.message


@pytest.mark.parametrize(
    ("raw", "path", "remedy"),
    [
        (configuration(audiences="x"), "audiences", "did you mean `audience`?"),
        (configuration(cache={"sise": 1}), "cache.sise", "did you mean `size`?"),
        (_issuer(algoritms=["RS256"]), "issuers[0].algoritms", "did you mean `algorithms`?"),
        (configuration(cache={"qqqq": 1}), "cache.qqqq", "one of size"),
        (configuration(**{"": 1}), "", "one of audience"),
    ],
)
def test_an_unknown_key_comes_with_a_suggestion(raw: Any, path: str, remedy: str) -> None:
    """The nearest known key is named, or all of them."""
    (problem,) = problems(raw)
    assert problem.path == (path or "(top)")
    assert problem.message == "is not a setting"
    assert problem.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({}, "audience"),
        (configuration(audience=""), "audience"),
        (configuration(audience=[]), "audience"),
        (configuration(audience=[1]), "audience"),
        (configuration(audience={}), "audience"),
        (configuration(audience="\ud800"), "audience"),
        (configuration(leeway=-1), "leeway"),
        (configuration(leeway=True), "leeway"),
        (configuration(leeway=float("nan")), "leeway"),
        (configuration(leeway="5"), "leeway"),
        (configuration(max_token_age=0), "max_token_age"),
        (configuration(max_token_size=255), "max_token_size"),
        (configuration(max_token_size=1.5), "max_token_size"),
        (configuration(max_token_size=True), "max_token_size"),
        (configuration(realm=5), "realm"),
        (configuration(realm="\ud800"), "realm"),
        (configuration(issuers=[]), "issuers"),
        (configuration(issuers={}), "issuers"),
        (configuration(issuers="x"), "issuers"),
        (configuration(issuers=["x"]), "issuers[0]"),
        (configuration(issuers=b"x"), "issuers[0]"),
        (configuration(issuers=configuration()["issuers"] * 2), "issuers"),
        (_issuer(issuer="https://x.test#y"), "issuers[0].issuer"),
        (_issuer(issuer="x "), "issuers[0].issuer"),
        (_issuer(issuer=5), "issuers[0].issuer"),
        (_issuer(keys=5), "issuers[0].keys"),
        (_issuer(keys=None), "issuers[0].keys"),
        (_issuer(secret="x"), "issuers[0].keys"),
        (_issuer(keys="http://issuer.example.test/jwks"), "issuers[0].keys"),
        (_issuer(keys="http://127.0.0.1/jwks"), "issuers[0].keys"),
        (_issuer(keys="http://[", allow_http=True), "issuers[0].keys"),
        (_issuer(keys="https://"), "issuers[0].keys"),
        (_issuer(keys="ftp://x/jwks"), "issuers[0].keys"),
        (_issuer(keys="file:///etc/keys"), "issuers[0].keys"),
        (_issuer(keys="http://example.test/", allow_http=True), "issuers[0].keys"),
        (_issuer(keys="discover", issuer="no-url"), "issuers[0].issuer"),
        (_issuer(keys="discover", issuer="http://x.test"), "issuers[0].issuer"),
        (_issuer(algorithms=[]), "issuers[0].algorithms"),
        (_issuer(algorithms=["none"]), "issuers[0].algorithms"),
        (_issuer(algorithms=["NONE"]), "issuers[0].algorithms"),
        (_issuer(algorithms=["es256"]), "issuers[0].algorithms"),
        (_issuer(algorithms=["RSA1_5"]), "issuers[0].algorithms"),
        (_issuer(algorithms=["HS256", "ES256"]), "issuers[0].algorithms"),
        (_issuer(profile="rfc9069"), "issuers[0].profile"),
        (_issuer(profile=5), "issuers[0].profile"),
        (_issuer(clients=[]), "issuers[0].clients"),
        (_issuer(client_subjects="no"), "issuers[0].client_subjects"),
        (configuration(roles={"claims": ""}), "roles.claims"),
        (configuration(roles={"claims": [5]}), "roles.claims"),
        (configuration(roles={"hierarchy": []}), "roles.hierarchy"),
        (configuration(roles={"hierarchy": {"": ["x"]}}), "roles.hierarchy"),
        (configuration(roles={"hierarchy": {"a": ["b"], "b": ["a"]}}), "roles.hierarchy"),
        (
            configuration(roles={"hierarchy": {"a": ["b"], "b": ["c"], "c": ["a", "d"]}}),
            "roles.hierarchy",
        ),
        (configuration(tenants={"claim": 5}), "tenants.claim"),
        (configuration(routes={"protect": "some"}), "routes.protect"),
        (configuration(routes={"public": ["health"]}), "routes.public"),
        (configuration(routes={"public": ["/a*b"]}), "routes.public"),
        (configuration(routes={"public": ["/a*"]}), "routes.public"),
        (configuration(routes={"public": ["/*/a/*"]}), "routes.public"),
        (configuration(routes={"public": ["/u/<id>"]}), "routes.public"),
        (configuration(routes={"public": ["/t/{tenant}/*"]}), "routes.public"),
        (configuration(tokens={}), "tokens.issuer"),
        (configuration(tokens=5), "tokens"),
        (configuration(cookies={"enabled": 1}), "cookies.enabled"),
        (configuration(cache={"size": -1}), "cache.size"),
        (configuration(audit={"sink": ""}), "audit.sink"),
        (configuration(audit={"sink": "kafka:foo"}), "audit.sink"),
        (configuration(audit={"sink": ["audit.jsonl", "ecs:file:x"]}), "audit.sink"),
        (configuration(store={"url": 5}), "store.url"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_value_is_named_by_its_path(raw: Mapping[str, Any], path: str) -> None:
    """Types are taken literally, bounds are kept, unsafe values are refused."""
    assert path in _paths(problems(raw))


@pytest.mark.parametrize(
    "origin", ["null", "*", "https://app.example/", "https://App.example", "app.example"]
)
def test_H6_only_origins_are_trusted_ones(origin: str) -> None:
    """`null` is the origin of everybody's sandboxed frame; what no browser sends is a slip."""
    own = {"issuer": "https://own.test", "signing_keys": "keys.json"}
    cookies = {"enabled": True, "trusted_origins": ["https://spa.example:8443", origin]}
    (problem,) = problems({"audience": "x", "tokens": own, "cookies": cookies})
    assert problem.path == "cookies.trusted_origins"


def test_a_secret_goes_with_hmac_only() -> None:
    """A secret beside a public-key algorithm is a mistake, and no value is quoted."""
    raw = _issuer()
    raw["issuers"][0].pop("keys")
    raw["issuers"][0]["secret"] = "the-very-secret-value"
    (problem,) = problems(raw)
    assert problem.path == "issuers[0].secret"
    assert "the-very-secret-value" not in str(problem)


def test_no_secret_is_printed() -> None:
    """What prints a configuration, as tools do that collect errors, shows no secret of it."""
    issuer = configuration()["issuers"][0]
    secret = {"issuer": "https://hmac.example", "secret": "s3cret" * 8, "algorithms": ["HS256"]}
    inline = {**issuer, "issuer": "https://enc.example", "decryption_keys": {"k": "s3cret"}}
    config = Config.load(
        {
            "audience": "x",
            "issuers": [
                {**issuer, "keys": {"keys": [{"kty": "oct", "k": "s3cret"}]}},
                secret,
                inline,
            ],
            "tokens": {
                "issuer": "https://own.example",
                "signing_keys": {"keys": [{"d": "s3cret"}]},
                "refresh_secret": ["s3cret"],
            },
            "store": {"url": "postgresql://user:s3cret@db/app"},
            "audit": {"sink": "postgresql://user:s3cret@db/log", "file": {"seal_key": "s3cret"}},
        }
    )
    assert "https://own.example" in repr(config)
    assert "s3cret" not in repr(config)


def test_nobody_trusted_is_a_mistake() -> None:
    """A configuration with neither issuers nor tokens of our own guards nothing."""
    (problem,) = problems({"audience": "x"})
    assert (problem.path, problem.message) == ("issuers", "trusts nobody")


def test_our_own_issuer_counts_among_the_trusted() -> None:
    """The same name in `[tokens]` and `[[issuers]]` is named twice."""
    tokens = {"issuer": ISSUER, "signing_keys": {"keys": [private_jwk()]}}
    (problem,) = problems(configuration(tokens=tokens))
    assert problem.message == f"names {ISSUER} twice"


@pytest.mark.parametrize(
    ("keys", "issuer"),
    [
        ("https://issuer.example.test/jwks", ISSUER),
        ("http://localhost:8080/jwks", ISSUER),
        ("http://127.0.0.1/jwks", ISSUER),
        ("http://[::1]:1/jwks", ISSUER),
        ("discover", "https://issuer.example.test"),
        ("discover", "http://localhost:9"),
        (Path("keys.json"), ISSUER),
        ("env:KEYS", ISSUER),
    ],
)
def test_keys_may_stand_in_many_places(keys: Any, issuer: str) -> None:
    """URLs of https, loopback ones where allowed, discovery, files and variables all read."""
    config = Config.load(_issuer(keys=keys, issuer=issuer, allow_http=True))
    assert config.issuers[0].keys == str(keys)


def test_only_this_host_is_loopback() -> None:
    """Names that merely begin like the loopback are not it."""
    assert is_loopback_http("http://127.0.0.1:80/x")
    assert not is_loopback_http("https://127.0.0.1/x")
    assert not is_loopback_http("http://127.0.0.1.evil.test/x")
    assert not is_loopback_http("http://localhost@evil.test/x")
    assert not is_loopback_http("http://[/")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"audience = ", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"a = " + b"[" * 100_000, "is not TOML"),
        (None, "No such file"),
    ],
    ids=["half", "no utf-8", "deep", "no file"],
)
def test_an_unreadable_file_is_one_problem(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """The file's path, what is wrong, and no other exception."""
    at = tmp_path / "x.toml"
    if content is not None:
        at.write_bytes(content)
    (problem,) = problems(at)
    assert problem.path == str(at)
    assert problem.message.startswith(message)


def test_a_path_that_no_system_has_is_a_problem() -> None:
    """A null byte in the path is a mistake like another."""
    (problem,) = problems("a\0b")
    assert problem.remedy == "give the path of a TOML file"


def test_all_unusable_keys_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own and every issuer's, by path, without their values."""
    monkeypatch.delenv("NOT_SET", raising=False)
    raw = configuration(
        issuers=[
            {"issuer": "a", "keys": "missing.json", "algorithms": ["RS256"]},
            {"issuer": "b", "keys": jwks("ES256"), "algorithms": ["RS256"]},
            {"issuer": "c", "secret": "env:NOT_SET", "algorithms": ["HS256"]},
            {"issuer": "d", "secret": "short", "algorithms": ["HS512"]},
            {"issuer": "e", "keys": "a\0b", "algorithms": ["RS256"]},
        ],
        tokens={"issuer": "own", "signing_keys": "{}"},
    )
    found = key_problems(raw)
    assert _paths(found) == [
        "tokens.signing_keys",
        "issuers[0].keys",
        "issuers[1].keys",
        "issuers[2].secret",
        "issuers[3].secret",
        "issuers[4].keys",
    ]
    assert "short" not in found[4].message.replace("shorter", "")
    assert "64 bytes" in found[4].message


@pytest.mark.parametrize(
    ("reader", "good", "bad"),
    [
        (text, "x", ["", " ", 5, None, [], b"x", "\udfff"]),
        (names, ["x"], [[], "", [""], [None], {}, None, 5]),
        (path, ["a", "b"], ["", [], 5]),
        (paths, ["a", ["b", "c"]], ["", [], [5], None]),
        (paths, "a.b", [5, {}]),
        (integer(1, 3), 3, [0, 4, 1.0, True, "1", None]),
        (seconds(1, 3), 1.5, [0.9, 3.1, True, "1", None, float("nan"), float("inf"), 10**400]),
        (table(names), {"a": ["b"]}, [[], {"a": 5}, {5: "b"}, None]),
    ],
)
def test_readers_take_what_they_say(reader: Any, good: Any, bad: list[Any]) -> None:
    """Each reader takes its kind of value and refuses all others as a `Mistake`."""
    reader(good)
    for value in bad:
        with pytest.raises(Mistake) as caught:
            reader(value)
        assert caught.value.remedy


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """Keys that point at a folder are a problem of theirs."""
    (problem,) = key_problems(_issuer(keys=os.fspath(tmp_path)))
    assert problem.path == "issuers[0].keys"


def test_keys_that_are_not_there_are_told_with_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole path of the file, or the variable; other keys would be no remedy."""
    monkeypatch.delenv("NOT_SET", raising=False)
    raw = configuration(
        issuers=[
            {"issuer": "a", "keys": "missing.json", "algorithms": ["RS256"]},
            {"issuer": "b", "keys": "env:NOT_SET", "algorithms": ["RS256"]},
            {"issuer": "c", "keys": jwks("ES256"), "algorithms": ["RS256"]},
        ],
        tokens={"issuer": "own", "signing_keys": "own.json"},
    )
    monkeypatch.chdir(tmp_path)
    put = "put keys that can be read into"
    assert [problem.remedy for problem in key_problems(raw)] == [
        f"{put} {tmp_path / 'own.json'}, or make one with `jwt-guard keys generate`",
        f"{put} {tmp_path / 'missing.json'}",
        "set NOT_SET in the environment of this process",
        "give keys for RS256 that are strong and distinct",
    ]


@pytest.mark.parametrize(
    ("raw", "message", "remedy"),
    [
        (_issuer(algorithms=[]), "is empty", "write a name or a list of names"),
        (configuration(audience=[]), "is empty", "write a name or a list of names"),
        (configuration(audience=" "), "is empty", "write text in quotes"),
        (configuration(audience=5), "is a number", "write a name or a list of names"),
        (configuration(realm=["x"]), "is a list", "write text in quotes"),
        (configuration(max_token_age=-1), "is not a time in range", "write seconds, 1 to 31536000"),
        (_issuer(secret="x"), "has a `secret` beside it", "remove one of the two"),
        (
            configuration(routes={"public": ["/u/<id>"]}),
            "holds what is no path",
            "'/u/<id>' is a route, and no path: write whole paths, or /name/* for all below",
        ),
        (
            configuration(audit={"sink": "ecs:kafka:foo"}),
            "begins with kafka:, which is no kind of sink",
            "write a path (as ./name), one of logging:, otel:, python:, syslog:, or a SQL URL",
        ),
    ],
)
def test_a_mistake_is_told_as_what_it_is(raw: Any, message: str, remedy: str) -> None:
    """What is said of a value holds for that very value, and the remedy mends it."""
    found = [(problem.message, problem.remedy) for problem in problems(raw)]
    assert (message, remedy) in found


@pytest.mark.parametrize("sink", ["C:/logs/audit.jsonl", "ecs:D:audit.jsonl", "./a:b.jsonl"])
def test_a_file_may_have_a_colon(sink: str) -> None:
    """A drive is no kind of sink, nor is what stands in a folder."""
    assert Config.load(configuration(audit={"sink": sink})).audit.sink == (sink,)


def test_one_place_of_claims_needs_no_list() -> None:
    """As one audience needs none; a list in a list is a path whose names hold dots."""
    raw = _issuer(role_claims="realm.roles", scope_claims="scp", permission_claims=[["a.b", "c"]])
    config = Config.load({**raw, "roles": {"claims": "groups"}})
    issuer = config.issuers[0]
    assert (issuer.role_claims, issuer.scope_claims) == (("realm.roles",), ("scp",))
    assert issuer.permission_claims == (("a.b", "c"),)
    assert config.roles.claims == ("groups",)
