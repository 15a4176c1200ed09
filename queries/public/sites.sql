-- Sites
-- The sites that are counted here, by host. Who visits two of them keeps a cookie at each, unless they share a domain.
--
-- chart: bars of visitors by site
-- group: Traffic
-- order: 22
-- tab: Pages
-- rollup: sites
-- click: site
-- column site: host, without "www."; null where it is not known
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(site, '') as site,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, site") }}
{{ limit() }}
