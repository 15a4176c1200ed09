-- Pages now
-- The pages of the last half hour, whatever the period.
--
-- chart: bars of visitors by page
-- group: Live
-- order: 71
-- panel: closed
-- refresh: 30
-- click: page
-- column page: page, path of its address; null where it is not known
-- column visitors: count, distinct cookies
-- column views: count, page views
select
  nullif(page, '') as page,
  {{ visitors() }} as visitors,
  count(*) as views
from visits
where {{ recent("datetime", 30) }} and {{ filters() }}
group by 1
{{ order_by("visitors desc, views desc, page") }}
{{ limit() }}
