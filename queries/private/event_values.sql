-- Event values
-- What visitors did, and with which value: every call of cmb.event(name, value) counts.
--
-- chart: table
-- group: Actions
-- order: 44
-- tab: Events
-- rollup: event_values
-- click: event by name
-- column name: text, name of the event
-- column value: text, what it was sent with; null for nothing
-- column visitors: count, distinct cookies
-- column events: count, how often
select
  nullif(substr(name, 1, 200), '') as name,
  nullif(substr(value, 1, 512), '') as value,
  {{ visitors() }} as visitors,
  {{ views() }} as events
from {{ events() }}
where {{ period("datetime") }} and {{ event_filters() }}
group by 1, 2
having {{ some() }}
{{ order_by("events desc, name, value") }}
{{ limit() }}
