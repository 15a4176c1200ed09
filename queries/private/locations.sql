-- Cities
-- Where visitors come from, by city: addresses, cookies, sessions and page views; a local machine's are left out.
--
-- chart: table
-- group: As Crumby 0.7.1 had them
-- order: 94
-- panel: closed
-- column city: text, city
-- column state: text, the country's subdivision
-- column country: country, ISO 3166-1 code
-- column users: count, distinct addresses
-- column clients: count, distinct cookies
-- column sessions: count, distinct cookies of each day, summed over the days
-- column views: count, page views
select
  city,
  subdivision_1 as state,
  country,
  count(distinct ip) as users,
  count(distinct cid) as clients,
  count(distinct {{ concat("cid", "' '", day("datetime")) }}) as sessions,
  count(*) as views
from visits
where ip <> '127.0.0.1' and {{ period("datetime") }} and {{ filters() }}
group by city, subdivision_1, country
{{ order_by("country, state, city") }}
{{ limit() }}
