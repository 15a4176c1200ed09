-- Locations
-- Where visitors come from, by country and state.
--
-- chart: bars of users by country
-- group: As Crumby 0.7.1 had them
-- order: 92
-- panel: closed
-- rollup: regions
-- column state: text, the country's subdivision
-- column country: country, ISO 3166-1 code
-- column users: count, visitors: distinct cookies
select
  nullif(subdivision_1, '') as state,
  nullif(country, '') as country,
  {{ visitors() }} as users
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1, 2
having {{ some() }}
{{ order_by("users desc, country, state") }}
{{ limit() }}
