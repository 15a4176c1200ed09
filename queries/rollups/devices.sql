-- Devices
-- Page views by kind of device.
--
-- key: device(10)
-- sum: views, sessions
select
  device,
  day,
  {{ prev_day("device") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3
