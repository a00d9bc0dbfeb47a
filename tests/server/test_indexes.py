"""`make migrate-indexes` names the indexes that are of no use, and no index that somebody needs."""

import contextlib
import json
import re
import threading
import time

import psycopg
import pytest
import yaml

from tests.amounts import both_ends

SCHEMA = """
CREATE TABLE a (id bigint PRIMARY KEY, b bigint, c text, d text COLLATE "C");

-- Two that do the same: the younger one is superfluous.
CREATE INDEX older ON a (b);
CREATE INDEX younger ON a (b);
-- A key does what a plain index does, and the other way round it does not.
CREATE INDEX like_the_key ON a (id);
CREATE UNIQUE INDEX unique_b ON a (b);
-- More columns beside the key do as well.
CREATE INDEX narrow ON a (c);
CREATE INDEX wide ON a (c) INCLUDE (b);
-- None of these does what another does.
CREATE INDEX other_columns ON a (b, c);
CREATE INDEX other_order ON a (b DESC);
CREATE INDEX other_method ON a USING hash (b);
CREATE INDEX other_operators ON a (c text_pattern_ops);
CREATE INDEX other_collation ON a (c COLLATE "C");
CREATE INDEX other_rows ON a (b) WHERE c IS NULL;
CREATE INDEX other_expression ON a (lower(c));
CREATE INDEX other_expression_too ON a (upper(c));
CREATE UNIQUE INDEX unique_c ON a (c);
CREATE UNIQUE INDEX unique_c_and_null ON a (c) NULLS NOT DISTINCT;
-- A foreign key and a replica identity need their index, though another one is as good.
CREATE TABLE referred (id bigint NOT NULL, b bigint);
CREATE UNIQUE INDEX referred_id ON referred (id);
CREATE TABLE refers (id bigint REFERENCES referred (id));
CREATE UNIQUE INDEX referred_id_too ON referred (id) INCLUDE (b);
CREATE TABLE replicated (id bigint NOT NULL);
CREATE UNIQUE INDEX replicated_id ON replicated (id);
CREATE UNIQUE INDEX replicated_id_too ON replicated (id);
ALTER TABLE replicated REPLICA IDENTITY USING INDEX replicated_id_too;

-- The indexes of partitions go with those of the table.
CREATE TABLE p (id bigint, b bigint) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE INDEX p_b ON p (b);
CREATE INDEX p_b_too ON p (b);
CREATE INDEX p1_b_again ON p1 (b);
CREATE INDEX p_incomplete ON ONLY p (id, b);
"""
SUPERFLUOUS = {
    "public.younger": "public.unique_b",
    "public.older": "public.unique_b",
    "public.like_the_key": "public.a_pkey",
    "public.narrow": "public.wide",
    "public.p_b_too": "public.p_b",
    "public.p1_b_again": "public.p1_b_idx",
    "public.replicated_id": "public.replicated_id_too",
}


@pytest.fixture
def indexes(engine, run, database):
    """indexes("unused"): what the engine finds, by the name of the index."""

    def indexes(finding: str) -> dict[str, dict]:
        result = run(engine, "indexes", "--json", cwd=engine.parents[3], env=database)
        assert result.returncode == 0, result.stderr
        return {one["index"]: one for one in json.loads(result.stdout)["indexes"] if one["finding"] == finding}

    return indexes


@both_ends
def test_only_what_is_superfluous_is_a_duplicate(indexes, database, postgres):
    database.query(SCHEMA)
    found = indexes("duplicate")
    assert {name: one["instead"] for name, one in found.items()} == SUPERFLUOUS
    # What the report calls superfluous can be dropped, one after the other, and then nothing is any more.
    for name in sorted(found, key=lambda name: "p1" not in name):
        database.query(f"DROP INDEX {name}")
    assert indexes("duplicate") == {}


@both_ends
def test_unused_is_what_nobody_has_read(indexes, database, run, engine, postgres):
    database.query("""
        CREATE TABLE t (id bigint PRIMARY KEY, read bigint, unread bigint, once bigint UNIQUE);
        CREATE INDEX read_idx ON t (read);
        CREATE INDEX unread_idx ON t (unread);
        CREATE TABLE p (id bigint, b bigint, c bigint) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10);
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
        CREATE INDEX p_b ON p (b);
        CREATE INDEX p_c ON p (c)
    """)
    with database.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SELECT FROM t WHERE read = 1")
        connection.execute("SELECT FROM p2 WHERE b = 1")
    found = indexes("unused")
    assert set(found) == {"public.unread_idx", "public.p_c"}
    assert found["public.p_c"]["partitioned"]
    told = run(engine, "indexes", cwd=engine.parents[3], env=database)
    assert "unused: not read on this server since its statistics began" in told.stderr
    postgres.execute("SELECT pg_stat_reset()", database["DB_NAME"])
    told = run(engine, "indexes", cwd=engine.parents[3], env=database)
    assert "when its statistics were reset" in told.stderr
    assert set(indexes("unused")) == {"public.read_idx", "public.unread_idx", "public.p_b", "public.p_c"}


@both_ends
def test_an_index_that_could_not_be_built_is_invalid(indexes, database, run, engine, postgres):
    database.query("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1), (1)")
    assert run("make", "migrate-indexes", cwd=engine.parents[3], env=database).stderr == (
        "avion_auth_db (development) has no invalid, duplicate or unused index\n"
    )
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        database.query("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)")
    assert set(indexes("invalid")) == {"public.broken"}
    assert "public.broken" in run("make", "migrate-indexes", cwd=engine.parents[3], env=database).stdout


@pytest.fixture
def reader(create_database, postgres_server, certificate):
    """The owner's way into a database of a server with TLS, and that of a role that may connect and nothing else."""
    owner = create_database("avion_auth", postgres_server(certificate=certificate))
    owner.server.execute("CREATE ROLE reader LOGIN PASSWORD :'password'", password=owner["DB_PASSWORD"])
    yield owner, owner | {"DB_USER": "reader"}
    owner.server.execute("DROP ROLE reader")


def test_an_index_that_is_being_built_is_told_by_those_who_may_see_it(reader, run, engine):
    owner, stranger = reader

    def told_invalid(who: dict) -> bool:
        result = run(engine, "indexes", cwd=engine.parents[3], env=who)
        assert result.returncode == 0, result.stderr
        return "invalid  public.t_n" in result.stdout

    owner.query("CREATE TABLE t (id bigint PRIMARY KEY, n int)")
    build = threading.Thread(target=lambda: owner.query("CREATE INDEX CONCURRENTLY t_n ON t (n)"))
    with owner.connect() as writing:
        writing.autocommit = False
        writing.execute("INSERT INTO t VALUES (1)")
        build.start()
        patience = time.monotonic() + 30
        while not owner.value("SELECT count(*) FROM pg_stat_progress_create_index WHERE lockers_total > 0"):
            assert time.monotonic() < patience
            time.sleep(0.05)
        assert told_invalid(stranger)
        owner.server.execute("GRANT pg_read_all_stats TO reader")
        assert not told_invalid(stranger)
        assert not told_invalid(owner)
    build.join()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_page_says_how_to_ask_production(reader, run, service, certificate_authority, language):
    _, stranger = reader
    folder = service(
        docs_language=language,
        considerations=["concurrent_index"],
        production_ssl_mode="verify-full",
        production_ssl_root_cert="/etc/ssl/postgresql/ca.crt",
    )
    page = (folder / "docs/migration-considerations.md").read_text()
    (there,) = re.findall(r"^make migrate-indexes ENV.*$", page, re.MULTILINE)
    (in_the_cluster,) = re.findall(r"^(make .* COMMAND=indexes .*) \| kubectl create --filename -$", page, re.MULTILINE)
    certificate_authority.cert_pem.write_to_path(folder / "ca.crt")
    url = "postgres://{DB_USER}:{DB_PASSWORD}@localhost:{DB_PORT}/{DB_NAME}\n".format_map(stranger)
    (folder / "db-url.txt").write_text(url)
    asked = run(*there.split(), cwd=folder)
    assert asked.stderr == "avion_auth_db (production) has no invalid, duplicate or unused index\n"

    release = {"VERSION": "1.2.3", "BUILD_NUMBER": "42"}
    job, usual = (
        yaml.safe_load(run("sh", "-c", command, cwd=folder, env=release).stdout)
        for command in (in_the_cluster, "make --silent migrate-job")
    )
    # Under another name: the alerts know the Jobs of migrations by theirs.
    usual["metadata"]["name"] = "avion-auth-indexes-42"
    for labelled in (usual, usual["spec"]["template"]):
        labelled["metadata"]["labels"]["app.kubernetes.io/component"] = "indexes"
    usual["spec"]["template"]["spec"]["containers"][0]["args"] = ["indexes"]
    assert job == usual
    assert "job/avion-auth-indexes-${BUILD_NUMBER}" in page
