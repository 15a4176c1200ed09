-- Countries now
-- Where the visitors of the last half hour are, whatever the period.
--
-- chart: bars of visitors by country
-- group: Live
-- order: 73
-- panel: closed
-- refresh: 30
-- click: country
-- column country: country, ISO 3166-1 code; null where it is not known
-- column visitors: count, distinct cookies
-- column views: count, page views
select
  nullif(country, '') as country,
  {{ visitors() }} as visitors,
  count(*) as views
from visits
where {{ recent("datetime", 30) }} and {{ filters() }}
group by 1
{{ order_by("visitors desc, country") }}
{{ limit() }}
