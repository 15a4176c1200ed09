"""Everything that Crumby refuses or fails at, and the HTTP status that each becomes.

    CrumbyError                     500
    ├── ConfigurationError          stops the start-up; the message names the key and the remedy
    ├── AccountError                a name that is taken, unknown or unfit (command line)
    ├── GeoDatabaseError            a City database that cannot be had or read
    ├── BadRequest                  400  what HTTP itself refuses, such as a broken form; the status may be another 4xx
    ├── InvalidHit                  400  a hit that is not stored; nothing of its request is
    │   └── HitTooLarge             413
    ├── SignInRequired              401  the browser is sent to the login page instead
    ├── CrossSiteRequest            403  a form that was not posted from Crumby's own pages
    ├── NotFound                    404
    ├── MethodNotAllowed            405
    ├── InvalidParameter            422  a report parameter that does not fit its type or range
    ├── QueryFileError              500  a query file that its author has to mend
    └── Unavailable                 503  with Retry-After: try the same request again
        ├── Overloaded              more hits wait than the queue holds
        ├── DatabaseUnavailable     the database refused, timed out or could not be reached
        │   └── SpoolUnavailable    so did the spool: it is full, or its disk is
        └── QueryTimeout            a report that ran past its time limit

One handler turns any of them into `{"error": class name, "detail": message}`.
"""

from typing import ClassVar


class CrumbyError(Exception):
    """The message names the culprit and the remedy, for the person who reads it."""

    status: int = 500


class ConfigurationError(CrumbyError):
    pass


class AccountError(CrumbyError):
    pass


class GeoDatabaseError(CrumbyError):
    pass


class BadRequest(CrumbyError):
    status = 400


class InvalidHit(CrumbyError):
    status = 400


class HitTooLarge(InvalidHit):
    status = 413


class SignInRequired(CrumbyError):
    status = 401


class CrossSiteRequest(CrumbyError):
    status = 403


class NotFound(CrumbyError):
    status = 404


class MethodNotAllowed(CrumbyError):
    status = 405


class InvalidParameter(CrumbyError):
    status = 422


class QueryFileError(CrumbyError):
    pass


class Unavailable(CrumbyError):
    status = 503
    retry_after: ClassVar[int] = 2  # seconds


class Overloaded(Unavailable):
    pass


class DatabaseUnavailable(Unavailable):
    pass


class SpoolUnavailable(DatabaseUnavailable):
    pass


class QueryTimeout(Unavailable):
    retry_after = 30
