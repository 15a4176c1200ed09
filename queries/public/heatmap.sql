-- Hours of the week
-- When people come, by weekday and hour, all weeks of the period together. An hour in which nobody came has no row.
--
-- chart: heatmap of views by hour, weekday
-- group: Habits
-- order: 54
-- rollup: hours
-- column weekday: weekday, 1 (Monday) to 7
-- column hour: hour, 0 to 23, in the report's time zone
-- column sessions: count, sessions that began in that hour
-- column views: count, page views
select
  {{ weekday("datetime") }} as weekday,
  {{ hour("datetime") }} as hour,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1, 2
having {{ some() }}
{{ order_by("weekday, hour") }}
{{ limit() }}
