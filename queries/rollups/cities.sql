-- Cities
-- Page views by country, subdivision and city.
--
-- key: country(3), region(75), city(75)
-- sum: views, sessions
select
  country,
  region,
  city,
  day,
  {{ prev_day("city") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3, 4, 5
