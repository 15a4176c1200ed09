"""What is told of a request, and what nginx, Apache and headers call it."""

from typing import Final

FIELDS: Final = (  # of a line, as they are asked for; the first ones of each line
    "at",
    "zone",
    "method",
    "target",
    "status",
    "path",
    "query",
    "ip",
    "forwarded",
    "scheme",
    "host",
    "port",
    "referrer",
    "agent",
    "lang",
    "purpose",
    "gpc",
    "dnt",
)
FORMATS: Final = {  # by their names in nginx' and Apache's own files, the fuller ones first
    "vhost_combined": '%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"',
    "vhost_common": '%v:%p %h %l %u %t "%r" %>s %b',
    "main": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{X-Forwarded-For}i"',
    "combined": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
    "common": '%h %l %u %t "%r" %>s %b',
}
HEADERS: Final = {
    "referer": "referrer",
    "user_agent": "agent",
    "accept_language": "lang",
    "host": "host",
    "x_forwarded_for": "forwarded",
    "x_real_ip": "forwarded",
    "cf_connecting_ip": "forwarded",
    "true_client_ip": "forwarded",
    "sec_purpose": "purpose",
    "purpose": "purpose",
    "x_moz": "purpose",
    "sec_gpc": "gpc",
    "dnt": "dnt",
}
# Of a format: a field; `request`, which is two; `mark`, the sign before a query; empty for what is passed over.
VARIABLES: Final = {  # nginx'
    "remote_addr": "ip",
    "proxy_add_x_forwarded_for": "forwarded",
    "time_local": "at",
    "time_iso8601": "at",
    "msec": "at",
    "request": "request",
    "request_method": "method",
    "request_uri": "target",
    "uri": "path",
    "document_uri": "path",
    "args": "query",
    "query_string": "query",
    "is_args": "mark",
    "status": "status",
    "scheme": "scheme",
    "host": "host",
    "server_name": "host",
    "server_port": "port",
} | {f"http_{name}": field for name, field in HEADERS.items()}
PASSED_OVER: Final = (*"AbBCDefHIklLnoOPRSTuX", "^FB", "^ti", "^to")
DIRECTIVES: Final = dict.fromkeys(PASSED_OVER, "") | {  # Apache's
    "h": "ip",
    "a": "ip",
    "r": "request",
    "m": "method",
    "U": "path",
    "q": "query",
    "s": "status",
    "v": "host",
    "V": "host",
    "p": "port",
}
