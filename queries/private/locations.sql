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
-- column users: count, distinct addresses, as far as they are kept
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
where (ip not in ('127.0.0.1', '127.0.0.0') or (ip is null and country is not null)) and {{ period("datetime") }} and {{ filters() }}
group by city, subdivision_1, country
{{ order_by("country, state, city") }}
{{ limit() }}
