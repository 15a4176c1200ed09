"""Examples of each verb, with which its help ends: what one wants, and the words for it."""

from collections.abc import Mapping, Sequence
from typing import Final

Example = tuple[str, str]

EXAMPLES: Final[Mapping[str, Sequence[Example]]] = {
    "run": (
        ("on this machine alone, to try it", "crumby run"),
        ("behind nginx, two processes", "crumby run --uds /run/crumby/crumby.sock --workers 2"),
        ("in a container: at each of its addresses", "crumby run --host 0.0.0.0 --port 8000"),
    ),
    "init": (
        ("a file with all keys, and a secret of its own", "crumby init"),
        (
            "the same without a question, and nginx's site beside it",
            "crumby init --yes --domain stats.example.com --proxy nginx --write nginx",
        ),
    ),
    "env": (
        ("what is in force, and what each key means", "crumby env"),
        ("the same for a program", "crumby env --json"),
    ),
    "doctor": (
        ("before a start, or when something is odd", "crumby doctor"),
        ("for a monitor: exit code 1 where there is a fault", "crumby doctor --json"),
    ),
    "demo": (
        ("fifty thousand visits into an empty database", "crumby demo"),
        ("a million into a file of their own", "crumby demo --visits 1000000 --into ~/demo.db"),
    ),
    "query": (
        ("the queries there are", "crumby query --list"),
        ("last week's pages, those of Sweden", "crumby query pages --days 7 -p country=SE -p limit=10"),
        ("a spreadsheet of last month", "crumby query pages --period last_month --format csv > pages.csv"),
    ),
    "sites": (
        ("all of them, and their last 30 days", "crumby sites"),
        ("the last week, for a program", "crumby sites --days 7 --json"),
    ),
    "tail": (
        ("hits as they come, until Ctrl-C", "crumby tail"),
        ("the same for a program, a line each", "crumby tail --json"),
    ),
    "dashboard": (
        ("today, beside yesterday", "crumby dashboard"),
        ("one site's week, looked at anew each minute", "crumby dashboard --site example.com --days 7 --watch 60"),
    ),
    "share": (
        ("all public panels, for good", 'crumby share "Our numbers"'),
        (
            "two of them, Sweden alone, for a month",
            "crumby share Sverige --panel pages --filter country=SE --expires 30d",
        ),
    ),
    "shares": (("the links, and until when they work", "crumby shares"),),
    "unshare": (("by the number that `crumby shares` has", "crumby unshare 3"),),
    "openapi": (
        ("for a generator of clients", "crumby openapi --output crumby.json"),
        ("the addresses alone", "crumby openapi | jq '.paths | keys'"),
    ),
    "adduser": (
        ("asks for a password", "crumby adduser ann"),
        ("takes it from a file, from which nobody sees it", "crumby adduser ann < password.txt"),
    ),
    "deluser": (("at once, on every device", "crumby deluser ann"),),
    "users": (("by name", "crumby users"),),
    "passwd": (
        ("asks for the new one", "crumby passwd ann"),
        ("takes it from a file", "crumby passwd ann < password.txt"),
    ),
    "totp": (
        ("shows a picture for the telephone, and asks for its code", "crumby totp ann"),
        ("the telephone is lost", "crumby totp ann --off"),
    ),
    "token": (
        ("for a program that reads reports, for 90 days", "crumby token add shop --scope read --expires 90d"),
        ("which there are, and when they were used", "crumby token list"),
        ("no longer", "crumby token rm shop"),
    ),
    "token add": (
        ("for a program that reads reports, for 90 days", "crumby token add shop --scope read --expires 90d"),
        ("for one that sends hits, for good", "crumby token add app --scope ingest"),
    ),
    "token list": (("which there are, and when they were used", "crumby token list"),),
    "token rm": (("no longer", "crumby token rm shop"),),
    "backup": (
        ("while Crumby runs", "crumby backup ~/crumby-backup.db"),
        ("each night, in place of the last one", "crumby backup --force ~/crumby-backup.db"),
    ),
    "restore": (
        ("into an empty database, of whatever kind", "crumby restore ~/crumby-backup.db"),
        ("in place of all that is there", "crumby restore --force ~/crumby-backup.db"),
    ),
    "import": (
        ("what would come of it", "crumby import --dry-run plausible.zip"),
        ("all of nginx' logs, the oldest first", "crumby import --site example.com /var/log/nginx/access.log*"),
        ("without a script on the pages: as it is written", "crumby import --follow /var/log/nginx/access.log"),
    ),
    "export": (
        ("all of it, to be imported elsewhere, or kept", "crumby export --output crumby.zip"),
        ("a site's last year as CSV", "crumby export --format csv --site example.com --from 2025-01-01 > year.zip"),
        ("of the visitor with this cookie, into a file", "crumby export --visitor 1698265301 -o visitor.json"),
    ),
    "forget": (
        ("what would go", "crumby forget --dry-run 1698265301"),
        ("without being asked", "crumby forget --yes 203.0.113.9"),
    ),
    "prune": (
        ("what would go, by RETENTION_DAYS", "crumby prune --dry-run"),
        ("all that is older than a year", "crumby prune --days 365"),
    ),
    "geoip": (
        ("into this folder; from home that is where it is looked for", "crumby geoip"),
        ("a newer one in the place of the configured one", "crumby geoip --upgrade"),
    ),
    "lists": (
        ("how old they are", "crumby lists"),
        ("newer ones, at once in use", "crumby lists --refresh"),
        ("one of them, from a file", "crumby lists --refresh crawlers --from crawlers.txt"),
    ),
    "migrate": (
        ("is there anything to do? exit code 1 where there is", "crumby migrate --check"),
        ("before the new version starts", "crumby migrate"),
    ),
    "rollup": (
        ("bring all up to date, and list them", "crumby rollup"),
        ("count some of them anew", "crumby rollup --rebuild pages sources"),
    ),
}


def epilog(examples: Sequence[Example]) -> str:
    """A line that tells and a line to copy, for each, in rich's markup: typer takes away what stands before it."""
    lines = ["Examples:"]
    for meaning, words in examples:
        lines += [f"[dim]  # {meaning}[/]", f"[not dim]  {words.replace('[', chr(92) + '[')}[/]"]
    return "\n".join(lines)
