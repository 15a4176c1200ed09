-- Totals
-- All page views. Sessions without a second page view are sessions - second_views; `seconds` is how long they lasted.
--
-- key:
-- sum: views, sessions, second_views, seconds, in_session
select
  day,
  {{ prev_day() }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions,
  sum(second_views) as second_views,
  sum(seconds) as seconds,
  sum(in_session) as in_session
from hits
group by 1, 2
