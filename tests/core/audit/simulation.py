"""A week of an API's life, made up but labelled: honest users, and twelve kinds of misuse.

Everything follows from a seed. Honest people are no angels: they mistype passwords, let tokens
expire, lose the Wi-Fi, fly, use VPNs, buy phones, ask for what they may not see, and run batches.
A few of them (`Simulation.oddities`) do what no rule can tell from misuse.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from jwt_guard.audit.detect.base import Alert
from jwt_guard.audit.detect.suite import RULES
from jwt_guard.audit.facts import Fact, Presented
from jwt_guard.audit.text import network_of

DAY = 86_400
START = 1_790_000_000 // DAY * DAY
ISSUER = "https://app.example.test"
TOKEN_LIFE = 900

CITIES = {
    "Berlin": (52.5, 13.4),
    "Lisbon": (38.7, -9.1),
    "Lagos": (6.5, 3.4),
    "Toronto": (43.7, -79.4),
    "Denver": (39.7, -105.0),
    "Lima": (-12.0, -77.0),
    "Mumbai": (19.1, 72.9),
    "Seoul": (37.6, 127.0),
    "Sydney": (-33.9, 151.2),
    "Nairobi": (-1.3, 36.8),
}
LAPTOPS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/{}.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X) Safari/{}.1",
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/{}.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Edg/{}.0",
)
PHONES = (
    "ExampleApp/{} (iPhone; iOS)",
    "ExampleApp/{} (Android; Pixel)",
    "ExampleApp/{} (Android; Samsung)",
)
TOOLS = ("curl/8.5", "python-requests/2.32", "Go-http-client/2.0", "okhttp/4.12", "HTTPie/3.2")
PATHS = tuple(f"/{name}" for name in ("me", "reports", "invoices", "orders", "search", "items"))
FORBIDDEN = ("/admin/users", "/admin/settings")
REFUSED_AT_ONCE = ("signature_invalid", "key_unknown", "algorithm_not_allowed")


@dataclass(slots=True)
class Incident:
    """One piece of misuse: its kind, its time, and by what an alert can be matched to it."""

    kind: str
    start: float
    end: float
    marks: set[str] = field(default_factory=set[str])

    def fits(self, alert: Alert) -> bool:
        """Whether an alert speaks of this."""
        fact = alert.fact
        if not self.start <= fact.time <= self.end + 3600:
            return False
        said = fact.presented
        marks = {fact.subject, fact.address and network_of(fact.address)}
        marks |= {said.kid, said.subject, said.credential} if said else set()
        return not self.marks.isdisjoint(marks - {None})


@dataclass(slots=True)
class _User:
    """A person, where they are and what they hold."""

    name: str
    city: str
    home: list[str]
    laptop: str
    phone: str
    office: str | None
    carrier: list[str]
    vpn: str | None
    webview: bool
    signed_in: set[str] = field(default_factory=set[str])


class Simulation:
    """Makes the week.

    Args:
        requests: how many events there are, about.
        users: how many people.
        incidents: how many of each kind of misuse.
        seed: everything follows from it.
    """

    def __init__(
        self, *, requests: int = 1_000_000, users: int = 10_000, incidents: int = 60, seed: int = 7
    ) -> None:
        self._random = random.Random(seed)
        self._networks: dict[str, str] = {}
        self._next_network = count(1)
        self._next_token = count(1)
        self._offices = [self._address(city) for city in CITIES for _ in range(4)]
        self._carriers = {city: [self._address(city) for _ in range(4)] for city in CITIES}
        self._vpns = [self._address(city) for city in ("Berlin", "Denver", "Seoul")]
        self._users = [self._user(number) for number in range(users)]
        self.incidents: list[Incident] = []
        self.oddities = 0
        self.honest = 0
        self._days: list[list[Fact]] = [[] for _ in range(8)]
        self._misuse(incidents)
        self._odd_people()
        misused = sum(map(len, self._days))
        self._per_user_day = max(1.0, (requests - misused) / users / 7)

    def locate(self, address: str) -> tuple[float, float] | None:
        """Where an address is, as a GeoIP database would tell."""
        city = self._networks.get(network_of(address))
        return CITIES[city] if city else None

    def events(self) -> Iterator[Fact]:
        """All events, in order of time."""
        for day, made in enumerate(self._days):
            facts = made
            if day < 7:
                for user in self._users:
                    self._honest_day(user, day, facts)
                self._batches(day, facts)
            facts.sort(key=lambda fact: fact.time)
            yield from facts
            self._days[day] = []

    # The world

    def _address(self, city: str) -> str:
        number = next(self._next_network)
        prefix = f"{11 + number // 65_536}.{number // 256 % 256}.{number % 256}"
        self._networks[f"{prefix}.0"] = city
        return f"{prefix}.{self._random.randint(1, 254)}"

    def _address_6(self, city: str) -> str:
        number = next(self._next_network)
        prefix = f"2001:db8:{number % 65_536:x}::"
        self._networks[network_of(prefix)] = city
        return f"{prefix}{self._random.randint(1, 65_535):x}"

    def _user(self, number: int) -> _User:
        chance = self._random
        city = chance.choice(list(CITIES))
        home = [self._address(city)]
        if chance.random() < 0.3 and number < 60_000:
            home.append(self._address_6(city))
        offices = [place for place in self._offices if self._city(place) == city]
        return _User(
            name=f"user-{number}",
            city=city,
            home=home,
            laptop=chance.choice(LAPTOPS),
            phone=chance.choice(PHONES),
            office=chance.choice(offices) if chance.random() < 0.6 else None,
            carrier=self._carriers[city],
            vpn=chance.choice(self._vpns) if chance.random() < 0.05 else None,
            webview=chance.random() < 0.05,
        )

    def _city(self, address: str) -> str:
        return self._networks[network_of(address)]

    def _token(self) -> str:
        return f"jti-{next(self._next_token)}"

    # Honest days

    def _honest_day(self, user: _User, day: int, facts: list[Fact]) -> None:
        chance = self._random
        wanted = self._per_user_day * chance.uniform(0.4, 1.6)
        before = len(facts)
        time = START + day * DAY + chance.uniform(6, 9) * 3600
        while len(facts) - before < wanted:
            left = wanted - (len(facts) - before)
            time = self._session(user, day, time, min(left, chance.uniform(4, 12)), facts)
            time += chance.uniform(0.2, 3) * 3600
        self.honest += len(facts) - before

    def _session(
        self, user: _User, day: int, time: float, wanted: float, facts: list[Fact]
    ) -> float:
        """A login or a refresh, and what follows; answers when it ends."""
        chance = self._random
        places, agent = self._place(user, day)
        token, since = self._token(), time
        sid = f"sid-{token}"
        self._sign_in(user, time, places[0], agent, sid, facts)
        for turn in range(max(1, round(wanted))):
            time += chance.uniform(2, 90)
            place = self._moved(places, turn)
            if time - since > TOKEN_LIFE:
                token, since = self._renewed(user, time, place, agent, sid, token, facts)
            shown = self._webview(user, agent)
            facts.append(self._request(user, time, place, shown, sid, token))
            if chance.random() < 0.002:
                facts.append(self._denied(user, time + 1, place, agent, sid, token))
        return time

    def _place(self, user: _User, day: int) -> tuple[list[str], str]:
        """Where and with what a session happens."""
        chance = self._random
        version = 120 + (day >= 3)
        phone = chance.random() < 0.4
        agent = (user.phone if phone else user.laptop).format(version)
        if user.vpn and chance.random() < 0.4:
            return [user.vpn], agent
        if phone and chance.random() < 0.5:
            return [chance.choice(user.carrier)], agent
        if phone and chance.random() < 0.1:
            return self._walk(user), agent
        if user.office and chance.random() < 0.5:
            return [user.office], agent
        if chance.random() < 0.02:
            return [self._address(user.city)], agent
        return user.home, agent

    def _walk(self, user: _User) -> list[str]:
        """Out of the Wi-Fi, sometimes back, seldom to and fro."""
        out = [user.home[0]] * 3 + [self._random.choice(user.carrier)] * 3
        if self._random.random() < 0.3:
            out += [user.home[0]] * 3
        if self._random.random() < 0.03:
            out = [out[0], out[3]] * 6
        return out

    def _moved(self, places: list[str], turn: int) -> str:
        """Dual-stack homes change their address from request to request, walks step by step."""
        if len(places) <= 2:
            return self._random.choice(places)
        return places[min(turn, len(places) - 1)]

    def _webview(self, user: _User, agent: str) -> str:
        if user.webview and "ExampleApp" in agent and self._random.random() < 0.5:
            return f"{agent} WebView"
        return agent

    def _sign_in(
        self, user: _User, time: float, place: str, agent: str, sid: str, facts: list[Fact]
    ) -> None:
        chance = self._random
        if chance.random() < 0.5 and agent in user.signed_in:
            facts.append(self._event("refreshed", user, time, place, agent, sid))
            return
        user.signed_in.add(agent)
        facts.extend(
            self._event("login_failed", user, time - 20 + attempt, place, agent)
            for attempt in range(chance.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 2)))
        )
        facts.append(self._event("login", user, time, place, agent))

    def _renewed(
        self,
        user: _User,
        time: float,
        place: str,
        agent: str,
        sid: str,
        token: str,
        facts: list[Fact],
    ) -> tuple[str, float]:
        """A token has run out: some clients notice by being refused, a few poll for a while."""
        chance = self._random
        if chance.random() < 0.3:
            tries = 12 if chance.random() < 0.02 else chance.randint(1, 3)
            facts.extend(
                self._refused(time - 30 * attempt, place, agent, "token_expired", token)
                for attempt in range(tries)
            )
        facts.append(self._event("refreshed", user, time, place, agent, sid))
        return self._token(), time

    def _batches(self, day: int, facts: list[Fact]) -> None:
        """Thirty people have a nightly job."""
        for user in self._users[:30]:
            place = user.office or user.home[0]
            time, token = START + day * DAY + 2 * 3600.0, self._token()
            for _ in range(self._random.randint(130, 250)):
                time += self._random.uniform(0.5, 3)
                facts.append(self._request(user, time, place, "batch/1.0", "sid-batch", token))
                self.honest += 1

    def _odd_people(self) -> None:
        """Honest, and not to be told from misuse: what the false alarms will be."""
        for user in self._users[-2:]:
            self.oddities += 1
            abroad = next(city for city in CITIES if city != user.city)
            place, agent, time = self._address(abroad), "ExampleApp/121 (iPad)", self._when()
            self._put(self._event("login", user, time, place, agent))
            self._burst_of_requests(user, time, place, agent, 6, 60)
        for user in self._users[-4:-2]:
            self.oddities += 1
            time = self._when()
            self._burst_of_requests(user, time, user.home[0], user.laptop.format(121), 400, 500)
        for user in self._users[-6:-4]:
            self.oddities += 1
            far = next(city for city in CITIES if city != user.city)
            agent, time = user.laptop.format(121), self._when()
            self._burst_of_requests(user, time, user.home[0], agent, 3, 60)
            self._burst_of_requests(user, time + 120, self._address(far), agent, 3, 60)

    # Misuse

    def _misuse(self, incidents: int) -> None:
        kinds: dict[str, Callable[[_User, float], tuple[float, set[str]]]] = {
            "refresh_reuse": self._refresh_reuse,
            "token_two_networks": self._token_two_networks,
            "token_two_devices": self._token_two_devices,
            "impossible_travel": self._impossible_travel,
            "new_device": self._new_device,
            "burst_address": self._burst_address,
            "burst_subject": self._burst_subject,
            "burst_kid": self._burst_kid,
            "role_probing": self._role_probing,
            "expired_hammering": self._expired_hammering,
            "login_stuffing": self._login_stuffing,
            "unusual_rate": self._unusual_rate,
        }
        assert set(kinds) == set(RULES)
        victims = iter(self._random.sample(self._users[30:-6], incidents * len(kinds)))
        for kind, happen in kinds.items():
            for _ in range(incidents):
                start = self._when()
                end, marks = happen(next(victims), start)
                self.incidents.append(Incident(kind, start - 1, end, marks))

    def _when(self) -> float:
        """Some moment of the fourth to the seventh day: before, the rules learn."""
        return START + 3 * DAY + self._random.uniform(0, 3.9 * DAY)

    def _put(self, fact: Fact) -> None:
        self._days[int((fact.time - START) // DAY)].append(fact)

    def _elsewhere(self, user: _User, *, far: bool) -> str:
        others = [city for city in CITIES if (city != user.city) == far]
        return self._address(self._random.choice(others))

    def _burst_of_requests(
        self, user: _User, time: float, place: str, agent: str, requests: int, seconds: float
    ) -> tuple[float, str]:
        token = self._token()
        for _ in range(requests):
            time += seconds / requests * self._random.uniform(0.5, 1.5)
            self._put(self._request(user, time, place, agent, f"sid-{token}", token))
        return time, token

    def _refresh_reuse(self, user: _User, time: float) -> tuple[float, set[str]]:
        place = self._elsewhere(user, far=self._random.random() < 0.5)
        self._put(self._event("reuse_detected", user, time, place, user.laptop.format(121), "sid"))
        return time, {user.name}

    def _token_two_networks(self, user: _User, time: float) -> tuple[float, set[str]]:
        """The thief has copied the user agent too, and is in the same city."""
        thief, token = self._elsewhere(user, far=False), self._token()
        agent, end = user.laptop.format(121), time
        for _ in range(self._random.randint(3, 10)):
            for place in (user.home[0], thief):
                end += self._random.uniform(5, 90)
                self._put(self._request(user, end, place, agent, f"sid-{token}", token))
        return end, {user.name}

    def _token_two_devices(self, user: _User, time: float) -> tuple[float, set[str]]:
        """The thief sits behind the same address."""
        place = user.home[0]
        end, token = self._burst_of_requests(user, time, place, user.laptop.format(121), 3, 60)
        for _ in range(self._random.randint(1, 5)):
            end += self._random.uniform(1, 60)
            tool = self._random.choice(TOOLS)
            self._put(self._request(user, end, place, tool, f"sid-{token}", token))
        return end, {user.name}

    def _impossible_travel(self, user: _User, time: float) -> tuple[float, set[str]]:
        agent = user.laptop.format(121)
        end, _ = self._burst_of_requests(user, time, user.home[0], agent, 3, 60)
        end += self._random.uniform(5, 60) * 60
        place = self._elsewhere(user, far=True)
        end, _ = self._burst_of_requests(user, end, place, agent, self._random.randint(1, 5), 60)
        return end, {user.name}

    def _new_device(self, user: _User, time: float) -> tuple[float, set[str]]:
        """With a stolen session from nearby, or with a stolen password from afar."""
        far = self._random.random() < 0.5
        place, tool = self._elsewhere(user, far=far), self._random.choice(TOOLS)
        if far:
            self._put(self._event("login", user, time, place, tool))
        end, _ = self._burst_of_requests(user, time, place, tool, self._random.randint(1, 9), 60)
        return end, {user.name}

    def _burst_address(self, user: _User, time: float) -> tuple[float, set[str]]:
        place, end = self._elsewhere(user, far=True), time
        tries, seconds = self._random.randint(60, 300), self._random.uniform(20, 90)
        for number in range(tries):
            end += seconds / tries * self._random.uniform(0.5, 1.5)
            reason = self._random.choice(REFUSED_AT_ONCE)
            self._put(self._refused(end, place, "curl/8.5", reason, f"{time}-{number}"))
        return end, {network_of(place)}

    def _burst_subject(self, user: _User, time: float) -> tuple[float, set[str]]:
        end, tries = time, self._random.randint(60, 100)
        places = [self._elsewhere(user, far=True) for _ in range(tries // 2)]
        for number in range(tries):
            end += self._random.uniform(120, 240) / tries
            place = self._random.choice(places)
            fact = self._refused(end, place, "curl/8.5", "signature_invalid", f"{time}-{number}")
            self._put(_claiming(fact, subject=user.name))
        return end, {user.name, *map(network_of, places)}

    def _burst_kid(self, user: _User, time: float) -> tuple[float, set[str]]:
        end, kid = time, f"kid-{time:.0f}"
        tries, seconds = self._random.randint(60, 150), self._random.uniform(30, 60)
        places = [self._elsewhere(user, far=True) for _ in range(tries // 2)]
        for number in range(tries):
            end += seconds / tries * self._random.uniform(0.5, 1.5)
            place = self._random.choice(places)
            fact = self._refused(end, place, "curl/8.5", "key_unknown", f"{time}-{number}")
            self._put(_claiming(fact, kid=kid))
        return end, {kid, *map(network_of, places)}

    def _role_probing(self, user: _User, time: float) -> tuple[float, set[str]]:
        place, agent = user.home[0], user.laptop.format(121)
        end, token = self._burst_of_requests(user, time, place, agent, 2, 10)
        doors, seconds = self._random.randint(10, 40), self._random.uniform(30, 480)
        for door in range(doors):
            end += seconds / doors
            fact = self._denied(user, end, place, agent, f"sid-{token}", token, f"/admin/{door}")
            self._put(fact)
        return end, {user.name}

    def _expired_hammering(self, user: _User, time: float) -> tuple[float, set[str]]:
        token, end = self._token(), time
        tries, seconds = self._random.randint(40, 200), self._random.uniform(60, 240)
        for _ in range(tries):
            end += seconds / tries
            agent = user.laptop.format(121)
            self._put(self._refused(end, user.home[0], agent, "token_expired", token))
        return end, {_credential(token)}

    def _login_stuffing(self, user: _User, time: float) -> tuple[float, set[str]]:
        base, end = self._elsewhere(user, far=True).rpartition(".")[0], time
        names, seconds = self._random.randint(40, 200), self._random.uniform(120, 540)
        for victim in self._random.sample(self._users, names):
            end += seconds / names
            place = f"{base}.{self._random.randint(1, 4)}"
            self._put(self._event("login_failed", victim, end, place, "curl/8.5"))
        return end, {network_of(f"{base}.1")}

    def _unusual_rate(self, user: _User, time: float) -> tuple[float, set[str]]:
        requests, seconds = self._random.randint(400, 1500), self._random.uniform(180, 540)
        agent = user.laptop.format(121)
        end, _ = self._burst_of_requests(user, time, user.home[0], agent, requests, seconds)
        return end, {user.name}

    # Events

    def _request(
        self, user: _User, time: float, place: str, agent: str, sid: str, token: str
    ) -> Fact:
        return Fact(
            time=time,
            name="authenticated",
            issuer=ISSUER,
            subject=user.name,
            session=sid,
            token=token,
            address=place,
            agent=agent,
            method="GET",
            path=self._random.choice(PATHS),
        )

    def _denied(
        self,
        user: _User,
        time: float,
        place: str,
        agent: str,
        sid: str,
        token: str,
        path: str | None = None,
    ) -> Fact:
        return Fact(
            time=time,
            name="denied",
            reason="role_missing",
            issuer=ISSUER,
            subject=user.name,
            session=sid,
            token=token,
            address=place,
            agent=agent,
            method="GET",
            path=path or self._random.choice(FORBIDDEN),
        )

    def _event(
        self, name: str, user: _User, time: float, place: str, agent: str, sid: str | None = None
    ) -> Fact:
        return Fact(
            time=time,
            name=name,
            reason="credentials_wrong" if name == "login_failed" else None,
            issuer=ISSUER,
            subject=user.name,
            session=sid,
            address=place,
            agent=agent,
            method="POST",
            path="/auth",
        )

    def _refused(self, time: float, place: str, agent: str, reason: str, token: str) -> Fact:
        return Fact(
            time=time,
            name="refused",
            reason=reason,
            address=place,
            agent=agent,
            method="GET",
            path=self._random.choice(PATHS),
            presented=Presented(_credential(token), "kid-of-ours", None),
        )


def _credential(token: str) -> str:
    return f"credential-{token}"


def _claiming(fact: Fact, *, kid: str | None = None, subject: str | None = None) -> Fact:
    """The same refusal of a token that names another key or subject."""
    said = fact.presented or Presented()
    presented = Presented(said.credential, kid or f"kid-{fact.time}", subject)
    return Fact(
        time=fact.time,
        name=fact.name,
        reason=fact.reason,
        address=fact.address,
        agent=fact.agent,
        method=fact.method,
        path=fact.path,
        presented=presented,
    )


@dataclass(slots=True)
class Score:
    """How the alerts fit the misuse.

    Attributes:
        events: how many events there were.
        honest: how many of them were honest people's.
        found: by kind, how many incidents an alert of that kind names.
        missed: by kind, how many none does.
        false_alarms: the alerts that fit no incident.
    """

    events: int = 0
    honest: int = 0
    found: dict[str, int] = field(default_factory=dict[str, int])
    missed: dict[str, int] = field(default_factory=dict[str, int])
    false_alarms: list[Alert] = field(default_factory=list[Alert])

    def recall(self, kind: str) -> float:
        """The share of a kind's incidents that were found."""
        return self.found[kind] / (self.found[kind] + self.missed[kind])


def scored(simulation: Simulation, alerts: list[Alert]) -> Score:
    """Match alerts with incidents."""
    score = Score()
    fitting = set()
    for incident in simulation.incidents:
        fits = [place for place, alert in enumerate(alerts) if incident.fits(alert)]
        fitting.update(fits)
        hit = any(alerts[place].rule == incident.kind for place in fits)
        tally = score.found if hit else score.missed
        tally[incident.kind] = tally.get(incident.kind, 0) + 1
    for kind in RULES:
        score.found.setdefault(kind, 0)
        score.missed.setdefault(kind, 0)
    score.false_alarms = [alert for place, alert in enumerate(alerts) if place not in fitting]
    score.honest = simulation.honest
    return score
