-- Entry pages
-- The pages with which sessions began.
--
-- chart: bars of sessions by entry
-- group: Traffic
-- order: 19
-- tab: Pages
-- rollup: entries
-- click: entry
-- column entry: page, path of the session's first page
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began here
-- column bounce_rate: percent, of them saw no other page
-- column duration: duration, of a session on average
select
  nullif(entry, '') as entry,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  1e2 * {{ bounces() }} / {{ sessions() }} as bounce_rate,
  1e0 * {{ duration() }} / {{ sessions() }} as duration
from {{ foremost("entry", "sum(sessions)") }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }} and {{ sessions() }} > 0
{{ order_by("sessions desc, entry") }}
{{ limit() }}
