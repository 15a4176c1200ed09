-- Pages
-- Page views by path; `entries` are sessions that began there, its bounces entries - second_views. `engaged` is the time
-- that `told` views were looked at, `scroll` how much of the page (percent, added up) `scrolled` views saw, and
-- `finished` those that saw nine tenths.
--
-- key: page(512)
-- sum: views, entries, second_views, engaged, told, scroll, scrolled, finished
select
  case when second_views <> 0 then entry else page end as page,
  day,
  {{ prev_day("page") }} as prev_day,
  sum(views) as views,
  sum(sessions) as entries,
  sum(second_views) as second_views,
  sum(engaged) as engaged,
  sum(told) as told,
  sum(scroll) as scroll,
  sum(scrolled) as scrolled,
  sum(finished) as finished
from hits
group by 1, 2, 3
