-- Retention
-- Visitors by the day of their first page view ever, and by how many times `span` days after it they came again: at
-- each age a visitor counts with their first page view at that age, on its day.
--
-- key: span(integer), first_day(integer), age(integer)
-- sum: came
select
  s.span,
  first_day,
  (at - first - (at - first) % (86400 * s.span)) / (86400 * s.span) as age,
  day,
  day as prev_day,
  sum(views) as came
from hits
cross join (select 7 as span union all select 30) s
where views <> 0 and first is not null and at >= first
  and (
    prev < first
    or (at - first) - (at - first) % (86400 * s.span) > (prev - first) - (prev - first) % (86400 * s.span)
  )
group by 1, 2, 3, 4
