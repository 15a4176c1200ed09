-- Screens
-- Page views by size of the screen.
--
-- key: screen(25)
-- sum: views, sessions
select
  screen,
  day,
  {{ prev_day("screen") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3
