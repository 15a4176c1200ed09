"""Query files come, change and go while Crumby runs."""

import os
from pathlib import Path

import pytest

from crumby.reporting.query import Query, QueryFolders


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    return tmp_path / "shipped"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


@pytest.fixture
def folders(shipped: Path, own: Path) -> QueryFolders:
    write(shipped, "visits", "-- Visits\nselect 1")
    return QueryFolders(shipped, own)


def write(folder: Path, name: str, text: str, collection: str = "public") -> Path:
    path = folder / collection / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def names(folders: QueryFolders) -> list[str]:
    return [f"{query.collection}/{query.name}" for query in folders.all()]


def found(folders: QueryFolders, name: str = "visits", collection: str = "public") -> Query:
    query = folders.get(collection, name)
    assert query
    return query


def test_a_file_of_the_operators_replaces_the_shipped_one_of_its_name(folders: QueryFolders, own: Path) -> None:
    write(own, "visits", "-- My visits\nselect 2")
    assert names(folders) == ["public/visits"]
    assert (found(folders).title, found(folders).source) == ("My visits", "-- My visits\nselect 2")


def test_the_same_name_in_the_other_collection_is_another_query(folders: QueryFolders, own: Path) -> None:
    write(own, "visits", "select 2", "private")
    assert names(folders) == ["private/visits", "public/visits"]
    assert found(folders, collection="private").private
    assert not found(folders).private


def test_a_file_that_is_dropped_in_is_there_at_once(folders: QueryFolders, own: Path) -> None:
    assert folders.get("public", "pages") is None
    write(own, "pages", "select 2")
    assert found(folders, "pages").title == "Pages"


def test_a_file_that_is_edited_is_read_again(folders: QueryFolders, own: Path) -> None:
    path = write(own, "visits", "-- First\nselect 1")
    assert found(folders).title == "First"
    write(own, "visits", "-- Other\nselect 1")  # of the same length
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert found(folders).title == "Other"


def test_a_file_that_is_replaced_by_one_of_the_same_age_and_length_is_read_again(
    folders: QueryFolders, own: Path
) -> None:
    path = write(own, "visits", "-- First\nselect 1")
    assert found(folders).title == "First"
    other = write(own, "other", "-- Other\nselect 1")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # as an archive keeps it
    other.rename(path)
    assert found(folders).title == "Other"


def test_a_file_that_did_not_change_is_not_read_again(folders: QueryFolders) -> None:
    assert found(folders) is found(folders)


def test_a_file_that_is_deleted_goes_and_the_shipped_one_is_back(folders: QueryFolders, own: Path) -> None:
    path = write(own, "visits", "-- My visits\nselect 2")
    write(own, "pages", "select 2").unlink()
    assert found(folders).title == "My visits"
    path.unlink()
    assert names(folders) == ["public/visits"]
    assert found(folders).title == "Visits"


@pytest.mark.parametrize("text", ["{% if %}", "-- order: first\nselect 1", "{{ " + "(" * 5000, "-- parameter t0: text"])
def test_a_broken_file_shows_its_error_and_spoils_nothing_else(folders: QueryFolders, own: Path, text: str) -> None:
    write(own, "broken", text)
    assert names(folders) == ["public/broken", "public/visits"]
    assert (found(folders, "broken").error or "").startswith("queries/public/broken.sql")
    assert found(folders).error is None


def test_a_broken_file_is_whole_again_when_it_is_mended(folders: QueryFolders, own: Path) -> None:
    write(own, "broken", "{% if %}")
    assert found(folders, "broken").error
    write(own, "broken", "select 1")
    assert found(folders, "broken").error is None


def test_a_file_that_cannot_be_read_shows_its_error(folders: QueryFolders, own: Path) -> None:
    write(own, "bytes", "").write_bytes(b"select '\xff'")
    write(own, "link", "").unlink()
    (own / "public" / "link.sql").symlink_to(own / "nowhere")
    (own / "public" / "folder.sql").mkdir()
    for name in ("bytes", "link", "folder"):
        assert (found(folders, name).error or "").startswith(f"queries/public/{name}.sql: ")
    assert found(folders).error is None


@pytest.mark.parametrize(
    "name",
    ["a b", "a.b", ".hidden", "..", "é", "a;b", "a'b", "a%2fb", "a\nb", "-" * 65, "", "visits.sql~", "visits.SQL"],
)
def test_a_file_with_an_odd_name_is_no_query(folders: QueryFolders, own: Path, name: str) -> None:
    write(own, name, "select 2")
    assert names(folders) == ["public/visits"]


def test_a_file_that_is_passed_over_is_named_once(
    folders: QueryFolders, own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(own, "with space", "select 1")
    folders.all()
    folders.all()
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith("with space.sql: it is no query: a name is made of letters, digits, - and _, 64 at most")


@pytest.mark.parametrize("name", ["..", "../private/visits", "visits.sql", "", "/etc/passwd", "VISITS"])
def test_no_name_leads_out_of_the_folder(folders: QueryFolders, name: str) -> None:
    assert folders.get("public", name) is None


def test_other_folders_and_files_are_no_queries(folders: QueryFolders, own: Path) -> None:
    write(own, "visits2", "select 2", "secret")
    write(own, "visits3", "select 2", "public").unlink()
    (own / "visits4.sql").write_text("select 2")
    (own / "public" / "readme.txt").write_text("select 2")
    assert names(folders) == ["public/visits"]


def test_the_order_is_the_headers_and_then_the_names(folders: QueryFolders, own: Path) -> None:
    write(own, "b", "-- B\n-- order: 5\nselect 1")
    write(own, "a", "select 1", "private")
    write(own, "c", "select 1")
    assert names(folders) == ["public/b", "private/a", "public/c", "public/visits"]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert QueryFolders(tmp_path / "nowhere").all() == []


# Folders below


def test_a_folder_below_is_a_group_and_no_part_of_the_name(folders: QueryFolders, own: Path) -> None:
    """Seen to fail where only the folder itself is looked through."""
    write(own, "orders", "select 2", "private/top_shops")
    write(own, "old", "select 2", "private/top_shops/archive")
    write(own, "own", "-- group: Mine\nselect 2", "private/top_shops")
    write(own, "reports", "-- group: Reports\nselect 2", "private/top_shops")
    assert names(folders) == ["private/old", "private/orders", "private/own", "private/reports", "public/visits"]
    groups = {query.name: query.header.group for query in folders.all()}
    expected = {"old": "Top shops", "orders": "Top shops", "own": "Mine", "reports": "Reports", "visits": "Reports"}
    assert groups == expected
    assert found(folders, "old", "private").shown == "queries/private/top_shops/archive/old.sql"
    assert found(folders, "old", "private").private


def test_a_broken_file_in_a_folder_below_shows_its_error_in_its_group(folders: QueryFolders, own: Path) -> None:
    write(own, "orders", "-- order: first\nselect 1", "public/shop")
    broken = found(folders, "orders")
    assert (broken.header.group, (broken.error or "")[:31]) == ("Shop", "queries/public/shop/orders.sql:")


def test_two_files_of_one_name_are_an_error_that_names_both(folders: QueryFolders, own: Path) -> None:
    """Seen to fail where the later one wins."""
    write(own, "orders", "select 1", "public/shop")
    other = write(own, "orders", "select 2", "public/b")
    write(own, "orders", "select 3", "private/shop")
    both = "queries/public/b/orders.sql and queries/public/shop/orders.sql"
    assert found(folders, "orders").error == f"{both} have one name, and so one address; rename all but one"
    assert found(folders, "orders", "private").error is None
    other.unlink()
    assert (found(folders, "orders").error, found(folders, "orders").source) == (None, "select 1")


def test_a_later_folder_replaces_a_same_name_from_any_folder_below(folders: QueryFolders, own: Path) -> None:
    write(own, "visits", "select 2", "public/traffic")
    assert names(folders) == ["public/visits"]
    assert (found(folders).source, found(folders).header.group) == ("select 2", "Traffic")


def test_a_later_folder_settles_what_an_earlier_one_has_twice(folders: QueryFolders, shipped: Path, own: Path) -> None:
    write(shipped, "visits", "select 2", "public/traffic")
    assert found(folders).error
    write(own, "visits", "select 3", "public/mine")
    assert (found(folders).error, found(folders).source) == (None, "select 3")


def test_what_is_hidden_is_passed_over_without_a_word(
    folders: QueryFolders, own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As git's and editors' files are. Seen to fail where hidden folders are looked into."""
    write(own, "a", "select 2", "public/.git")
    write(own, ".orders", "select 2")
    assert names(folders) == ["public/visits"]
    assert not caplog.records


def test_a_link_may_lead_out_of_the_folder_and_round_in_circles(
    folders: QueryFolders, own: Path, tmp_path: Path
) -> None:
    """Seen to fail where it is followed up to where it was."""
    write(tmp_path, "orders", "select 2", "elsewhere")
    write(own, "pages", "select 2", "public/a")
    (own / "public" / "shop").symlink_to(tmp_path / "elsewhere")
    (own / "public" / "up").symlink_to(own / "public")
    (own / "public" / "a" / "round").symlink_to(own / "public" / "up")
    assert names(folders) == ["public/orders", "public/pages", "public/visits"]
    assert (found(folders, "orders").header.group, found(folders, "pages").error) == ("Shop", None)
