-- Sources
-- Page views by the source that their session came from; its bounces are sessions - second_views.
--
-- key: source(100)
-- sum: views, sessions, second_views, seconds
select
  source,
  day,
  {{ prev_day("source") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions,
  sum(second_views) as second_views,
  sum(seconds) as seconds
from hits
group by 1, 2, 3
