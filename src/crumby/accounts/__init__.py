"""People: who may see the private reports, how their passwords are kept, and how a browser stays signed in.

people.py     the `users` table: who they are, and whether a password is theirs
hashing.py    passwords as they are kept
passwords.py  which new ones are taken
sessions.py   how a browser stays signed in
throttle.py   how often somebody may guess
totp.py       a second factor
setup.py      the link that makes the first user
tidying.py    what is done beside the requests
"""

from typing import Final

from crumby.accounts.people import Accounts, User, opened_accounts
from crumby.accounts.sessions import COOKIE, Sessions

SKEW: Final = 5 * 60  # seconds that a clock may have been set back since, or that another machine's may be ahead

__all__ = ["COOKIE", "SKEW", "Accounts", "Sessions", "User", "opened_accounts"]
