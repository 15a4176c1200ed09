-- Locations
-- Where visitors come from, by country and state.
--
-- chart: bars of users by country
-- group: Visitors
-- order: 30
-- column state: text, the country's subdivision
-- column country: text, ISO 3166-1 code
-- column users: integer, visitors: distinct cookies
select
  subdivision_1 as state,
  country,
  count(distinct cid) as users
from visits
where {{ period("datetime") }}
group by country, subdivision_1
order by 3 desc, coalesce(country, ''), coalesce(subdivision_1, '')
