-- Countries
-- Where visitors are, by country. Who comes from two countries in the period counts in both.
--
-- chart: map of visitors by country
-- group: Traffic
-- order: 29
-- tab: Places
-- rollup: countries
-- click: country
-- column country: country, ISO 3166-1 code; null where it is not known
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(country, '') as country,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, country") }}
{{ limit() }}
