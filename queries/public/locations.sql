-- Locations
-- Where visitors come from, by country and state.
--
-- chart: bars of users by country
-- group: As Crumby 0.7.1 had them
-- order: 92
-- column state: text, the country's subdivision
-- column country: country, ISO 3166-1 code
-- column users: count, visitors: distinct cookies
select
  subdivision_1 as state,
  country,
  count(distinct cid) as users
from visits
where {{ period("datetime") }} and {{ filters() }}
group by country, subdivision_1
{{ order_by("users desc, country, state") }}
{{ limit() }}
