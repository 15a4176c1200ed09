"""Whether visitors have addresses of their own, or all have a proxy's: places, limits and lists go by these."""

from collections.abc import AsyncIterator

from crumby.cli.doctor.finding import Finding, Patient
from crumby.engines import AsyncConnection
from crumby.tables import visits
from crumby.web.senders import LATELY, Senders


async def look(patient: Patient, connection: AsyncConnection, tables: set[str]) -> AsyncIterator[Finding]:
    storage = patient.settings.ip_storage
    if visits.name not in tables or storage == "none":
        return
    senders = Senders.of(await connection.execute(LATELY))
    remedy = "set PROXY_COUNT to the number of proxies in front, or TRUSTED_PROXIES to their networks"
    if senders.are_behind_a_proxy and storage == "full":
        said = (
            f"all {senders.visitors:,} visitors of late came from one address, {senders.address}, and share its limits"
        )
        yield Finding("fault", "proxies", said, remedy)
    elif senders.are_all_private:
        said = f"all {senders.visitors:,} visitors of late have private addresses, such as {senders.address}"
        yield Finding("warning", "proxies", said, f"if they are not in your own network, {remedy}")
