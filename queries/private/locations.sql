-- Cities
-- Where visitors come from, by city: addresses, cookies, sessions and page views; a local machine's are left out.
--
-- chart: table
-- group: Visitors
-- order: 35
-- column city: text, city
-- column state: text, the country's subdivision
-- column country: text, ISO 3166-1 code
-- column users: integer, distinct addresses
-- column clients: integer, distinct cookies
-- column sessions: integer, distinct cookies of each day, summed over the days
-- column views: integer, page views
select
  city,
  subdivision_1 as state,
  country,
  count(distinct ip) as users,
  count(distinct cid) as clients,
  count(distinct {{ concat("cid", "' '", day("datetime")) }}) as sessions,
  count(*) as views
from visits
where ip <> '127.0.0.1' and {{ period("datetime") }}
group by city, subdivision_1, country
order by coalesce(country, ''), coalesce(subdivision_1, ''), coalesce(city, '')
