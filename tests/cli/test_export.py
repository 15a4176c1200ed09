"""`crumby export --visitor`."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.cli.conftest import Ask

SPOOLED = """
    create table hits (number integer primary key autoincrement, hit_id blob not null unique, kind text not null,
        row text not null, added integer not null);
    create table refused (number integer primary key, kind text, row text, reason text);
    insert into hits values (1, x'01', 'event', '{"cid": "CID", "ip": "203.0.113.7", "name": "bite"}', 0);
    insert into hits values (2, x'02', 'event', '{"cid": "else", "ip": "203.0.113.7", "name": "bite"}', 0);
"""


def rows(home: Path, sql: str) -> Any:
    with closing(sqlite3.connect(home / "crumby.db")) as database:
        return database.execute(sql).fetchall()


def test_all_that_is_stored_of_a_visitor_is_one_document(verb: Ask, home: Path) -> None:
    """Planted: a file that others may read; one that is replaced unasked; what waits in the spool left out; checksums
    without a meaning.
    """
    verb("demo", "--visits", "300")
    with closing(sqlite3.connect(home / "crumby.db", isolation_level=None)) as database:
        database.execute('update events set properties = \'{"kind": "rye"}\'')
        ((cid, visits),) = database.execute(
            "select e.cid, (select count(*) from visits v where v.cid = e.cid) from events e "
            "where e.cid <> 'null' group by e.cid order by count(*) desc, e.cid limit 1"
        ).fetchall()
    with closing(sqlite3.connect(home / "crumby-spool.db")) as spool:
        spool.executescript(SPOOLED.replace("CID", cid))
    said = verb("export", "--visitor", cid, "--output", "mine.json")
    assert said.out == ""
    assert said.err.startswith(f"mine.json holds what is stored of {cid}: {visits} visits, ")
    file = home / "mine.json"
    assert file.stat().st_mode & 0o777 == 0o600
    document = json.loads(file.read_text())
    told = json.loads(verb("export", "--visitor", cid).out)
    assert {**document, "told": ""} == {**told, "told": ""}
    assert [row["cid"] for row in document["visits"]] == [cid] * visits
    assert set(document["visits"][0]) == {name for _, name, *_ in rows(home, "pragma table_info (visits)")}
    assert {row["properties"]["kind"] for row in document["events"]} == {"rye"}
    assert document["waiting"] == [{"kind": "event", "cid": cid, "ip": "203.0.113.7", "name": "bite"}]
    (visitor,) = document["visitors"]
    pages = {row["page"] for row in document["visits"]}
    assert {f"page {page}" for page in pages} <= {thing["meaning"] for thing in visitor["seen"]}
    assert visitor["first"] == document["visits"][0]["datetime"]
    ip = document["visits"][0]["ip"]
    assert json.loads(verb("export", "--visitor", ip).out)["visits"][0]["ip"] == ip
    again = verb("export", "--visitor", cid, "--output", "mine.json")
    assert (again.status, again.err) == (1, "crumby: mine.json is there already; --force replaces it\n")
    assert verb("export", "--visitor", cid, "--output", "mine.json", "--force").status == 0
