"""Passwords get a new algorithm while everybody goes on logging in, through every release of the application.

The releases follow documents/en/considerations/password_rehash.md. Each hash is made of its salt alone, so that a wrong
label means that a right password is refused.
"""

import dataclasses
import hashlib
import random
import secrets
import threading
import time

import psycopg
import pytest

from dev import recipes
from dev.toolchain.install import ROOT
from tests.amounts import both_ends
from tests.load import LONGEST_WAIT, Load

OLD, NEW = "bcrypt", "argon2id"
# Fast stand-ins under the names of the recipe's examples: what matters is that neither can check the other's hashes.
HASHES = {
    OLD: lambda password, salt: hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 10).hex(),
    NEW: lambda password, salt: hashlib.scrypt(password.encode(), salt=salt.encode(), n=2, r=1, p=1).hex(),
}
ACCOUNTS = 60
SLEEPERS = [f"sleeper {number}" for number in range(10)]


def hashed(algorithm: str, password: str) -> str:
    salt = secrets.token_hex(4)
    return f"{salt}${HASHES[algorithm](password, salt)}"


def opens(algorithm: str, stored: str, password: str) -> bool:
    salt, _, rest = stored.partition("$")
    return algorithm in HASHES and secrets.compare_digest(rest, HASHES[algorithm](password, salt))


class BeforeExpand:
    """The release that was there before: it knows the hash alone."""

    def log_in(self, session: psycopg.Connection, account: int, password: str) -> bool:
        (stored,) = session.execute("SELECT password_hash FROM accounts WHERE id = %s", [account]).fetchone()
        return opens(OLD, stored, password)

    def change(self, session: psycopg.Connection, account: int, password: str) -> None:
        session.execute("UPDATE accounts SET password_hash = %s WHERE id = %s", [hashed(OLD, password), account])

    def register(self, session: psycopg.Connection, name: str) -> None:
        session.execute("INSERT INTO accounts (name, password_hash) VALUES (%s, %s)", [name, hashed(OLD, name)])


class ReadsBoth:
    """The next one: it goes by the algorithm beside the hash, and still writes the old one."""

    writes = OLD
    knows = (OLD, NEW)

    def log_in(self, session: psycopg.Connection, account: int, password: str) -> bool:
        stored, algorithm = session.execute(
            "SELECT password_hash, password_algorithm FROM accounts WHERE id = %s", [account]
        ).fetchone()
        if algorithm not in self.knows or not opens(algorithm, stored, password):
            return False
        if algorithm != self.writes:
            self.rehash(session, account, password, stored)
        return True

    def rehash(self, session: psycopg.Connection, account: int, password: str, verified: str) -> None:
        """Hashes again once the release does so."""

    def change(self, session: psycopg.Connection, account: int, password: str) -> None:
        session.execute(
            "UPDATE accounts SET password_hash = %s, password_algorithm = %s, password_parameters = '{\"n\": 2}', "
            "password_hashed_at = clock_timestamp(), password_must_change = false WHERE id = %s",
            [hashed(self.writes, password), self.writes, account],
        )

    def register(self, session: psycopg.Connection, name: str) -> None:
        session.execute(
            "INSERT INTO accounts (name, password_hash, password_algorithm, password_hashed_at) "
            "VALUES (%s, %s, %s, clock_timestamp())",
            [name, hashed(self.writes, name), self.writes],
        )


class Rehashes(ReadsBoth):
    """The one after it: it writes the new algorithm, and does so at every login, unless the hash has changed meanwhile."""

    writes = NEW

    def rehash(self, session: psycopg.Connection, account: int, password: str, verified: str) -> None:
        session.execute(
            "UPDATE accounts SET password_hash = %s, password_algorithm = %s, password_parameters = '{\"n\": 2}', "
            "password_hashed_at = clock_timestamp() WHERE id = %s AND password_hash = %s",
            [hashed(NEW, password), NEW, account, verified],
        )


class NewOnly(Rehashes):
    """The last one: without the old algorithm."""

    knows = (NEW,)


@dataclasses.dataclass
class Person:
    """Somebody with an account, who may use it on several machines at once."""

    account: int
    password: str
    former: str = ""
    # Odd while the password is being changed: a login then may see either.
    edition: int = 0
    changing: threading.Lock = dataclasses.field(default_factory=threading.Lock)


class People:
    """Acts of everybody who comes by; `mistakes` are logins that ended as they should not."""

    def __init__(self, names: list[str]) -> None:
        self.everybody = [Person(account, name) for account, name in enumerate(names, 1)]
        self.releases: list[BeforeExpand | ReadsBoth] = [BeforeExpand()]
        self.mistakes: list[str] = []
        self.acts = 0

    def act(self, session: psycopg.Connection, number: int) -> None:
        release, person, dice = random.choice(self.releases), random.choice(self.everybody), random.random()
        if dice < 0.6:
            self._log_in(session, release, person, right=True)
        elif dice < 0.8:
            self._log_in(session, release, person, right=False)
        elif dice < 0.95:
            self._change(session, release, person, f"{number}")
        else:
            release.register(session, f"later {number}")
        self.acts += 1

    def _log_in(self, session, release, person: Person, right: bool) -> None:
        edition = person.edition
        password = person.password if right else person.former or "nobody's"
        entered = release.log_in(session, person.account, password)
        if edition % 2 == 0 and edition == person.edition and entered is not right:
            self.mistakes.append(f"{type(release).__name__} {'refused' if right else 'admitted'} {person}")

    def _change(self, session, release, person: Person, password: str) -> None:
        with person.changing:
            person.edition += 1
            release.change(session, person.account, password)
            person.password, person.former = password, person.password
            person.edition += 1


@pytest.fixture
def recipe(service, engine, run, database):
    """recipe("expand"): writes a step of the recipe and applies it; the table is there."""
    folder = service()
    (folder / "migrations/00002_accounts.sql").write_text(recipes.tables(ROOT, "password_rehash"))

    def engine_does(*arguments: str, fails: bool = False) -> str:
        result = run(engine, *arguments, cwd=folder, env=database)
        assert result.returncode == (3 if fails else 0), result.stderr
        return result.stderr

    def recipe(step: str, fails: bool = False) -> str:
        command = ("make", "migrate-create", "RECIPE=password_rehash", f"STEP={step}", "TABLE=accounts")
        result = run(*command, cwd=folder, env=database)
        assert result.returncode == 0, result.stderr
        (written,) = result.stdout.split()
        if "/backfill/" in written:
            return engine_does("backfill", (folder / written).stem)
        return engine_does("up", fails=fails)

    engine_does("up")
    return recipe


def progress(database, column: str) -> dict[str, object]:
    return dict(database.query(f"SELECT algorithm, {column} FROM accounts_password_progress"))


def wait_until(done) -> None:
    patience = time.monotonic() + 60
    while not done():
        assert time.monotonic() < patience
        time.sleep(0.02)


@both_ends
def test_nobody_is_refused_and_nobody_gets_in_wrongly_while_the_algorithm_changes(recipe, database, postgres):
    names = [f"person {number}" for number in range(1, ACCOUNTS + 1)]
    with database.connect() as session:
        for name in names + SLEEPERS:
            BeforeExpand().register(session, name)
    people = People(names)

    def let_them_work(*releases: BeforeExpand | ReadsBoth) -> None:
        people.releases = list(releases)
        until = people.acts + 150
        wait_until(lambda: people.acts >= until)

    def everybody_came() -> bool:
        return not database.value(
            "SELECT count(*) FROM accounts WHERE id <= %s AND password_algorithm = %s", ACCOUNTS, OLD
        )

    with Load(database, people.act) as load:
        with load.phase("before"):
            let_them_work(BeforeExpand())
        with load.phase("during"):
            recipe("expand")
            let_them_work(BeforeExpand())
            recipe("validate")
            let_them_work(BeforeExpand(), ReadsBoth())
            let_them_work(ReadsBoth())
            assert progress(database, "percent") == {OLD: 100}
            let_them_work(ReadsBoth(), Rehashes())
            let_them_work(Rehashes())
            wait_until(everybody_came)
            left = progress(database, "accounts")[OLD]

            recipe("expire")
            assert progress(database, "must_change") == {OLD: left, NEW: 0}
            with database.connect() as session:
                assert Rehashes().log_in(session, ACCOUNTS + 1, SLEEPERS[0])
            let_them_work(Rehashes())
            recipe("forget")
            assert progress(database, "accounts")["none"] == left - 1
            let_them_work(Rehashes())
            recipe("contract")
            let_them_work(Rehashes(), NewOnly())
            recipe("contract_validate")
            let_them_work(NewOnly())
    load.report("password_rehash")
    assert (people.mistakes, load.errors) == ([], [])
    assert load.longest <= LONGEST_WAIT

    reached = progress(database, "percent")
    assert reached.keys() == {NEW, "none"}
    assert 99.98 <= sum(reached.values()) <= 100
    with database.connect() as session:
        for person in people.everybody:
            assert NewOnly().log_in(session, person.account, person.password)
        for release in (Rehashes(), NewOnly()):
            assert not release.log_in(session, ACCOUNTS + 2, SLEEPERS[1])
        NewOnly().change(session, ACCOUNTS + 2, "reset by mail")
        assert NewOnly().log_in(session, ACCOUNTS + 2, "reset by mail")


def test_a_rehash_that_was_overtaken_by_a_new_password_changes_nothing(recipe, database):
    recipe("expand")
    release = Rehashes()
    with database.connect() as session:
        release.register(session, "somebody")
        session.execute("UPDATE accounts SET password_hash = %s", [hashed(OLD, "first")])
        verified = database.value("SELECT password_hash FROM accounts")
        release.change(session, 1, "second")
        release.rehash(session, 1, "first", verified)
        assert release.log_in(session, 1, "second")
        assert not release.log_in(session, 1, "first")


def test_a_release_that_comes_back_labels_what_it_writes(recipe, database):
    recipe("expand")
    with database.connect() as session:
        Rehashes().register(session, "somebody")
        for password in ("second", "third"):
            BeforeExpand().change(session, 1, password)
            assert progress(database, "last_7_days") == {OLD: 1}
            assert Rehashes().log_in(session, 1, password)
            assert progress(database, "last_7_days") == {NEW: 1}
        assert not BeforeExpand().log_in(session, 1, password), "which is why it must be gone before"


def test_old_hashes_that_are_left_stop_the_contract_and_an_unknown_label_is_refused(recipe, database):
    recipe("expand")
    database.query("INSERT INTO accounts (name, password_hash) VALUES ('a', 'x')")
    with pytest.raises(psycopg.errors.CheckViolation):
        database.query("UPDATE accounts SET password_algorithm = 'md5'")
    recipe("validate")
    assert "accounts still holds bcrypt hashes" in recipe("contract", fails=True)
    recipe("forget")
    assert database.query("SELECT password_hash FROM accounts") == [("x",)], "nobody was asked for a new password"
    recipe("expire")


def test_nothing_old_can_be_written_after_the_contract(recipe, database):
    recipe("expand")
    recipe("contract")
    with database.connect() as session:
        Rehashes().register(session, "somebody")
        for release in (BeforeExpand(), ReadsBoth()):
            with pytest.raises(psycopg.errors.CheckViolation):
                release.change(session, 1, "second")
            with pytest.raises(psycopg.errors.CheckViolation):
                release.register(session, "somebody else")
        assert NewOnly().log_in(session, 1, "somebody")
