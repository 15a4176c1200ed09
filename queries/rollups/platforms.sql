-- Platforms
-- Page views by operating system.
--
-- key: platform(25)
-- sum: views, sessions
select
  platform,
  day,
  {{ prev_day("platform") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3
