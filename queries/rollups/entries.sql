-- Entry pages
-- Page views by the page that their session began with; its bounces are sessions - second_views.
--
-- key: entry(512)
-- sum: views, sessions, second_views, seconds
select
  entry,
  day,
  {{ prev_day("entry") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions,
  sum(second_views) as second_views,
  sum(seconds) as seconds
from hits
group by 1, 2, 3
