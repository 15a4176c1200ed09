"""Page views while the server is ended three times: each stored once. A thousand of them in the long form."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import pytest

from tests.tracker.scenarios.alone import chromium_alone
from tests.tracker.scenarios.bakery import HOST
from tests.tracker.scenarios.stage import NOW, Stage

VISITORS = 4
# A page is read until its hit is answered, or for so many ms: then on to the next. The address says who and which.
READ_MS = 1000
ON = """
    <script>
      const [who, page] = location.search.slice(1).split('=');
      const reading = setInterval(() => {
        if (performance.now() < %d && Object.keys(localStorage).some(key => key.startsWith('cmb:'))) return;
        clearInterval(reading);
        if (page < %d) location.replace(`?${who}=${+page + 1}`);
      }, 10);
    </script>
"""


@pytest.mark.timeout(300)  # on a machine that does other things as well; a thousand take 40 s of a core without
@pytest.mark.parametrize("many", [48, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("stage", [NOW], indirect=True)
async def test_views_over_three_restarts_are_stored_once_each(stage: Stage, many: int, tmp_path: Path) -> None:
    """Many views, server restarted three times.

    Four visitors go from page to page by themselves, each in a frame of one window and on a host of its own, for a
    browser keeps a hundred hits of a site. Twice the server is killed, once it ends as asked. Nobody looks on by
    DevTools, which cost more than the pages.
    """
    stage.put("view", ON % (READ_MS, many // VISITORS))
    homes = [stage.folder.replace(HOST, f"visitor-{who}.{HOST}") for who in range(VISITORS)]
    frames = "".join(f"<iframe hidden src='{home}view?{who}=1'></iframe>" for who, home in enumerate(homes))
    with chromium_alone(stage.put("all", frames, tracked=False), tmp_path / "profile"):
        for sudden, share in zip((True, False, True), (0.2, 0.45, 0.7), strict=True):
            await stage.stored(int(many * share), within_s=60)
            await anyio.to_thread.run_sync(stage.crumby.kill if sudden else stage.crumby.stop)
            await anyio.to_thread.run_sync(stage.crumby.start)
        await stage.stored(many, within_s=90)
        found = await stage.counted(*(f"view?{who}={page}" for who, page in views(many)))
    assert len({hit.hit_id for hit in found}) == many


def views(many: int) -> Iterator[tuple[int, int]]:
    assert many % VISITORS == 0, "each visitor goes through as many pages as the others"
    return itertools.product(range(VISITORS), range(1, many // VISITORS + 1))
