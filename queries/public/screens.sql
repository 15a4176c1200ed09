-- Screens
-- How large visitors' screens are, in pixels. Who turns or changes it counts in both sizes.
--
-- chart: bars of visitors by screen
-- group: Traffic
-- order: 40
-- tab: Technology
-- rollup: screens
-- click: screen
-- column screen: text, width and height: 1920x1080; null where it is not known
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(screen_res, '') as screen,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, screen") }}
{{ limit() }}
