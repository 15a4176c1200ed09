-- Browser versions
-- What visitors browse with, by version. Who comes with an old one and a new one counts in both.
--
-- chart: table
-- group: Traffic
-- order: 37
-- tab: Technology
-- rollup: versions
-- click: browser
-- column browser: browser, its name; null where it is not known
-- column version: text, the browser's version
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(browser, '') as browser,
  nullif(version, '') as version,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1, 2
having {{ some() }}
{{ order_by("visitors desc, browser, version") }}
{{ limit() }}
