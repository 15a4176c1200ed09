-- Pages of events
-- What visitors did, by the event's name and the page where they did it.
--
-- key: name(200), page(512)
-- sum: events
select
  name,
  page,
  day,
  page_prev_day as prev_day,
  sum(events) as events
from acts
group by 1, 2, 3, 4
