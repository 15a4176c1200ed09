-- Regions
-- Where visitors are, by the country's subdivision. Who comes from two of them in the period counts in both.
--
-- chart: bars of visitors by region
-- group: Traffic
-- order: 31
-- tab: Places
-- rollup: regions
-- click: region
-- column region: text, the country's subdivision, by name; null where it is not known
-- column country: country, ISO 3166-1 code
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(subdivision_1, '') as region,
  nullif(country, '') as country,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ foremost("country, subdivision_1", "sum(visitors)") }}
where {{ period("datetime") }} and {{ filters() }}
group by 1, 2
having {{ some() }}
{{ order_by("visitors desc, country, region") }}
{{ limit() }}
