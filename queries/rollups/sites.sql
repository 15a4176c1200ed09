-- Sites
-- Page views by the page's host.
--
-- key: site(255)
-- sum: views, sessions
select
  site,
  day,
  {{ prev_day("site") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3
