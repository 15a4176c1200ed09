-- Countries
-- Page views by the visitor's country.
--
-- key: country(3)
-- sum: views, sessions
select
  country,
  day,
  {{ prev_day("country") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3
