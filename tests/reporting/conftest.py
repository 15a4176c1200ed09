"""What the tests of the reports share: a site for each database and module, and hypothesis without a stopwatch."""

from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
import pytest_asyncio

from tests import servers
from tests.reporting.site import DATABASES, Site, open_site

hypothesis.settings.register_profile("crumby", deadline=None)  # the machine may be busy
hypothesis.settings.load_profile("crumby")


@pytest.fixture(scope="module")
def module_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of an empty database of the kind that the test's parameter says."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'crumby.db'}"
        return
    server: servers.DatabaseServer = request.getfixturevalue(request.param)
    url = server.database()
    yield url
    server.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with open_site(module_url, tmp_path_factory.mktemp("site")) as opened:
        yield opened


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a site runs on each database, unless its module says on which."""
    if "site" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "SITES", DATABASES)
        metafunc.parametrize("module_url", kinds, indirect=True, scope="module")
