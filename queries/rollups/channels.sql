-- Channels
-- Page views by the channel that their session came by; its bounces are sessions - second_views.
--
-- key: channel(20)
-- sum: views, sessions, second_views, seconds
select
  channel,
  day,
  {{ prev_day("channel") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions,
  sum(second_views) as second_views,
  sum(seconds) as seconds
from hits
group by 1, 2, 3
