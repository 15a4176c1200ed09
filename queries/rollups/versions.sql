-- Browser versions
-- Page views by browser and version.
--
-- key: browser(25), version(25)
-- sum: views, sessions
select
  browser,
  version,
  day,
  {{ prev_day("version") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3, 4
