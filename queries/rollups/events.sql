-- Events
-- What visitors did, by the event's name.
--
-- key: name(200)
-- sum: events
select
  name,
  day,
  prev_day,
  sum(events) as events
from acts
group by 1, 2, 3
