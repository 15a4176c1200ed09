-- Cities
-- Where visitors are, by city. Who comes from two cities in the period counts in both.
--
-- chart: bars of visitors by city
-- group: Traffic
-- order: 32
-- tab: Places
-- rollup: cities
-- click: city
-- column city: text, city, by name; null where it is not known
-- column region: text, the country's subdivision
-- column country: country, ISO 3166-1 code
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(city, '') as city,
  nullif(subdivision_1, '') as region,
  nullif(country, '') as country,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ foremost("country, subdivision_1, city", "sum(visitors)") }}
where {{ period("datetime") }} and {{ filters() }}
group by 1, 2, 3
having {{ some() }}
{{ order_by("visitors desc, country, region, city") }}
{{ limit() }}
