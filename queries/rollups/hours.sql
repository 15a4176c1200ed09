-- Hours of the week
-- Page views by weekday, 1 (Monday) to 7, and hour. Visitors are not to be had from it: `prev_day` is the day itself.
--
-- key: weekday(integer), hour(integer)
-- sum: views, sessions
select
  weekday,
  hour,
  day,
  day as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by weekday, hour, day
