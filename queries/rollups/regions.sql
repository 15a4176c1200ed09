-- Regions
-- Page views by country and subdivision.
--
-- key: country(3), region(75)
-- sum: views, sessions
select
  country,
  region,
  day,
  {{ prev_day("region") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3, 4
