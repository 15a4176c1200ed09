-- Sources now
-- Where the sessions of the last half hour came from, whatever the period; null for nowhere.
--
-- chart: bars of visitors by source
-- group: Live
-- order: 72
-- panel: closed
-- refresh: 30
-- click: source
-- column source: text, name or host; null for none
-- column visitors: count, distinct cookies
-- column views: count, page views
select
  nullif(source, '') as source,
  {{ visitors() }} as visitors,
  count(*) as views
from visits
where {{ recent("datetime", 30) }} and {{ filters() }}
group by 1
{{ order_by("visitors desc, source") }}
{{ limit() }}
