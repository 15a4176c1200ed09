"""What kind of device a page was seen on.

An iPad has called itself a Macintosh since iPadOS 13, and nothing that a hit tells says otherwise: it counts as a
desktop. So does a phone whose browser was asked for the desktop's site. A television is none of the three.
"""

import re
from typing import Final, Literal

Device = Literal["desktop", "mobile", "tablet"]

DESKTOPS: Final = frozenset({"windows", "macos", "linux", "chromeos", "freebsd", "openbsd", "netbsd", "solaris"})
PHONES: Final = frozenset({"iphone", "blackberry", "symbian", "windows phone", "kaios", "firefox os", "bada"})
TABLET: Final = 600  # CSS pixels of a screen's smaller side; Android's own bound
SCREEN: Final = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")


def device(platform: str | None, screen_res: str | None, user_agent: str | None = None) -> Device | None:
    """The device behind a platform in the words of `ingest/agent.py`; None where nothing tells.

    Rows keep no User-Agent. Without one, an Android is told by its screen, in CSS pixels ("412x915").
    """
    said = user_agent or ""
    if "TV" in said or "Web0S" in said or "CrKey" in said:  # televisions; as a pattern it takes twice as long
        return None
    if platform == "ipad" or (platform not in DESKTOPS and ("Tablet" in said or "iPad" in said)):
        return "tablet"
    if platform in PHONES or "Windows Phone" in said:
        return "mobile"
    if platform in DESKTOPS:
        return "desktop"
    if platform == "android":
        return _android(screen_res, said)
    return "mobile" if "Mobile" in said else None


def _android(screen_res: str | None, said: str) -> Device | None:
    """A browser leaves "Mobile" out on a tablet. An app of another kind, as Dalvik's, leaves it out everywhere."""
    if "Mobile" in said:
        return "mobile"
    if said.startswith("Mozilla/"):
        return "tablet"
    screen = SCREEN.fullmatch(screen_res or "")
    if not screen:
        return None
    return "mobile" if min(int(screen[1]), int(screen[2])) < TABLET else "tablet"
