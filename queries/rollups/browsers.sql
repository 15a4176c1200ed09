-- Browsers
-- Page views by browser.
--
-- key: browser(25)
-- sum: views, sessions
select
  browser,
  day,
  {{ prev_day("browser") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3
