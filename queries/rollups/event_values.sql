-- Event values
-- What visitors did, by the event's name and value.
--
-- key: name(200), value(512)
-- sum: events
select
  name,
  value,
  day,
  value_prev_day as prev_day,
  sum(events) as events
from acts
group by 1, 2, 3, 4
