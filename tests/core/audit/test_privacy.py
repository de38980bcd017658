"""Pseudonyms, and what is left when somebody is forgotten."""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jwt_guard.audit.facts import Fact, Presented
from jwt_guard.audit.privacy import SubjectKeys, SubjectKeysUnavailable
from jwt_guard.audit.shown import Shower, Showing

ISSUER = "https://app.example.test"


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SubjectKeys]:
    """An empty file of subjects' keys."""
    with closing(SubjectKeys(tmp_path / "keys")) as keys:
        yield keys


def test_a_pseudonym_is_stable_and_tells_nothing(keys: SubjectKeys) -> None:
    """The same for the same person, another for another or for another issuer's."""
    ada = keys.person(ISSUER, "ada").uid
    assert keys.person(ISSUER, "ada").uid == ada
    assert "ada" not in ada
    assert len({ada, keys.person(ISSUER, "grace").uid, keys.person("other", "ada").uid}) == 3


def test_identifiers_stand_under_their_owners_key(keys: SubjectKeys) -> None:
    """The same session id of two people gives two digests."""
    ada, grace = keys.person(ISSUER, "ada"), keys.person(ISSUER, "grace")
    assert ada.digest("sid-1") == ada.digest("sid-1") == keys.digest(ISSUER, "ada", "sid-1")
    assert ada.digest("sid-1") != grace.digest("sid-1")


def test_whoever_holds_the_keys_can_name_people(keys: SubjectKeys) -> None:
    """Until they are forgotten."""
    uid = keys.person(ISSUER, "ada").uid
    keys.commit()
    assert keys.reveal(uid) == f"{ISSUER}#ada"
    assert keys.forget(ISSUER, "ada") == uid
    assert keys.reveal(uid) is None
    assert keys.lookup(ISSUER, "ada") is None
    assert keys.forget(ISSUER, "ada") is None


def test_a_person_who_comes_back_is_a_new_one(keys: SubjectKeys) -> None:
    """Nothing leads from the new pseudonym to the old one."""
    before = keys.person(ISSUER, "ada")
    keys.commit()
    keys.forget(ISSUER, "ada")
    after = keys.person(ISSUER, "ada")
    assert after.uid != before.uid
    assert after.digest("sid-1") != before.digest("sid-1")


def test_nothing_of_a_forgotten_key_stays_in_the_files(keys: SubjectKeys, tmp_path: Path) -> None:
    """Neither in the database nor in its journal."""
    for number in range(50):
        keys.person(ISSUER, f"user-{number}")
    keys.person(ISSUER, "ada")
    keys.commit()
    connection = sqlite3.connect(tmp_path / "keys")
    query = "SELECT key, sealed FROM subjects WHERE uid = ?"
    row = connection.execute(query, (keys.lookup(ISSUER, "ada"),)).fetchone()
    connection.close()
    assert any(row[0] in file.read_bytes() for file in tmp_path.iterdir())
    keys.forget(ISSUER, "ada")
    keys.close()
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert row[0] not in content
        assert row[1] not in content


def test_the_file_names_nobody(keys: SubjectKeys, tmp_path: Path) -> None:
    """A copy of it alone is a list of random numbers."""
    keys.person(ISSUER, "ada-lovelace")
    keys.commit()
    keys.close()
    for file in tmp_path.iterdir():
        assert b"lovelace" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


def test_other_processes_notice_who_was_forgotten(keys: SubjectKeys, tmp_path: Path) -> None:
    """A running server goes on under a new pseudonym with its next batch."""
    with closing(SubjectKeys(tmp_path / "keys")) as server:
        server.refresh()
        before = server.person(ISSUER, "ada").uid
        server.commit()
        assert not server.refresh()
        assert keys.forget(ISSUER, "ada") == before
        assert server.refresh()
        assert server.person(ISSUER, "ada").uid != before


def _name_all(file: Path) -> list[str]:
    keys = SubjectKeys(file)
    found = []
    for number in range(50):
        found.append(keys.person(ISSUER, f"user-{number}").uid)
        keys.commit()
    keys.close()
    return found


def test_several_processes_agree(tmp_path: Path) -> None:
    """One person has one pseudonym, whoever asked first."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        answers = pool.map(_name_all, [tmp_path / "keys"] * 3)
    assert answers[0] == answers[1] == answers[2]


def test_strangers_cannot_fill_the_file(keys: SubjectKeys) -> None:
    """A name that nobody verified gets no key; one who is known is recognised."""
    passing = keys.stranger(ISSUER, "made-up").uid
    assert passing == keys.stranger(ISSUER, "made-up").uid
    assert keys.lookup(ISSUER, "made-up") is None
    known = keys.person(ISSUER, "ada").uid
    assert keys.stranger(ISSUER, "ada").uid == known


def test_names_that_were_not_kept_are_not_used(keys: SubjectKeys) -> None:
    """A batch that fails half-way leaves no pseudonym that only the memory knows."""
    lost = keys.person(ISSUER, "ada").uid
    keys.refresh()
    assert keys.lookup(ISSUER, "ada") is None
    assert keys.person(ISSUER, "ada").uid != lost


def test_without_its_file_nobody_is_named(tmp_path: Path) -> None:
    """It fails rather than writing a plain name."""
    (tmp_path / "keys").write_bytes(b"no database" * 100)
    with pytest.raises(SubjectKeysUnavailable):
        SubjectKeys(tmp_path / "keys").person(ISSUER, "ada")


@pytest.mark.parametrize("subject", ["", "ünïcode", "a#b", "x" * 5000, "\ud800", "'; DROP TABLE"])
def test_odd_subjects_are_subjects(keys: SubjectKeys, subject: str) -> None:
    """Whatever a token may hold."""
    uid = keys.person(ISSUER, subject).uid
    keys.commit()
    assert keys.reveal(uid) == f"{ISSUER}#{subject}"


def test_a_shown_fact_holds_no_plain_identifier(keys: SubjectKeys) -> None:
    """Subject, session, token and claimed subject are all under keys, the address is cut."""
    shower = Shower(keys, Showing())
    fact = Fact(
        time=1.0,
        name="authenticated",
        issuer=ISSUER,
        subject="ada",
        session="sid-1",
        token="jti-1",
        address="192.0.2.77",
    )
    refused = Fact(time=1.0, name="refused", presented=Presented("d1", "k1", "ada-claimed"))
    shown = f"{shower.show(fact)} {shower.show(refused)}"
    for plain in ("ada", "sid-1", "jti-1", "192.0.2.77"):
        assert plain not in shown.replace("app.example.test", "")


def test_agents_can_be_left_out_and_addresses_cut_shorter(keys: SubjectKeys) -> None:
    """By setting."""
    shower = Shower(keys, Showing(v4_bits=8, agents=False))
    shown = shower.show(Fact(time=1.0, name="refused", address="192.0.2.77", agent="curl"))
    assert (shown.address, shown.agent) == ("192.0.0.0", None)
