"""Everything that Crumby refuses or fails at, and the HTTP status that each becomes.

    CrumbyError                     500
    ├── ConfigurationError          stops the start-up; the message names the key and the remedy
    ├── AccountError                a name that is taken, unknown or unfit (command line)
    ├── GeoDatabaseError            a City database that cannot be had or read
    ├── BotListError                a list of crawlers, spammers or networks that cannot be had or read
    ├── BadRequest                  400  what HTTP itself refuses, such as a broken form; the status may be another 4xx
    ├── InvalidHit                  400  a hit that is not stored; nothing of its request is
    │   └── HitTooLarge             413
    ├── SignInRequired              401  the browser is sent to the login page instead
    ├── InvalidToken                401  a bearer token that is none, is over, or is for something else
    ├── PasswordRequired            401  a share whose password was not given yet
    ├── CrossSiteRequest            403  a form that was not posted from Crumby's own pages
    ├── Forbidden                   403  what a share, or a frame, does not let through
    ├── UnwantedHit                 403  of a crawler, a prefetch, a spammer, or who asks not to be counted: `reason`
    ├── NotFound                    404
    ├── MethodNotAllowed            405
    ├── InvalidParameter            422  a report parameter that does not fit its type or range
    ├── TooManyGuesses              429  with Retry-After: passwords or codes, from one address
    ├── QueryFileError              500  a query file that its author has to mend
    └── Unavailable                 503  with Retry-After: try the same request again
        ├── TooManyHits             429  of one address, for now
        ├── Overloaded              more hits wait than the queue holds
        ├── DatabaseUnavailable     the database refused, timed out or could not be reached
        │   └── SpoolUnavailable    so did the spool: it is full, or its disk is
        └── QueryTimeout            a report that ran past its time limit

One handler turns any of them into `{"error": class name, "detail": message}`.
"""


class CrumbyError(Exception):
    """The message names the culprit and the remedy, for the person who reads it.

    `reason` is what a refused hit is counted by; empty: the name of the class.
    """

    status: int = 500
    reason: str = ""


class ConfigurationError(CrumbyError):
    pass


class AccountError(CrumbyError):
    pass


class GeoDatabaseError(CrumbyError):
    pass


class BotListError(CrumbyError):
    pass


class BadRequest(CrumbyError):
    status = 400


class InvalidHit(CrumbyError):
    status = 400


class HitTooLarge(InvalidHit):
    status = 413


class SignInRequired(CrumbyError):
    status = 401


class InvalidToken(CrumbyError):
    status = 401


class PasswordRequired(CrumbyError):
    status = 401


class CrossSiteRequest(CrumbyError):
    status = 403


class Forbidden(CrumbyError):
    status = 403


class UnwantedHit(CrumbyError):
    status = 403

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotFound(CrumbyError):
    status = 404


class MethodNotAllowed(CrumbyError):
    status = 405
    allowed = "GET"


class InvalidParameter(CrumbyError):
    status = 422


class TooManyGuesses(CrumbyError):
    status = 429

    def __init__(self, retry_after: int) -> None:
        minutes = -(-retry_after // 60)
        super().__init__(f"too many guesses from here: try again in {minutes} minute{'' if minutes == 1 else 's'}")
        self.retry_after = retry_after  # seconds


class QueryFileError(CrumbyError):
    pass


class Unavailable(CrumbyError):
    status = 503
    retry_after: int = 2  # seconds


class TooManyHits(Unavailable):
    status = 429

    def __init__(self, reason: str, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class Overloaded(Unavailable):
    pass


class DatabaseUnavailable(Unavailable):
    pass


class SpoolUnavailable(DatabaseUnavailable):
    pass


class QueryTimeout(Unavailable):
    retry_after = 30
