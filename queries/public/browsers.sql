-- Browsers
-- What visitors browse with. Who comes with two browsers keeps two cookies, and is two visitors.
--
-- chart: bars of visitors by browser
-- group: Traffic
-- order: 36
-- tab: Technology
-- rollup: browsers
-- click: browser
-- column browser: browser, its name; null where it is not known
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(browser, '') as browser,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, browser") }}
{{ limit() }}
