-- Outbound links
-- The links to other sites that visitors followed: events named "Outbound link", or "outbound", whose value is the
-- link.
--
-- chart: bars of clicks by url
-- group: Actions
-- order: 45
-- tab: Events
-- rollup: event_values
-- column url: url, where the link leads
-- column host: host, of that address
-- column visitors: count, distinct cookies
-- column clicks: count, how often
select
  nullif(substr(value, 1, 512), '') as url,
  {{ host("nullif(substr(value, 1, 512), '')") }} as host,
  {{ visitors() }} as visitors,
  {{ views() }} as clicks
from {{ events() }}
where {{ period("datetime") }} and name in ('Outbound link', 'outbound') and {{ event_filters() }}
group by 1, 2, name
having {{ some() }}
{{ order_by("clicks desc, url") }}
{{ limit() }}
