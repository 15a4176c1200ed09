-- Sources
-- Where sessions came from: a search engine, a site, a newsletter; null for those that came from nowhere, by an
-- address typed in or a bookmark. All page views of a session count for its source.
--
-- chart: bars of visitors by source
-- group: Traffic
-- order: 11
-- tab: Sources
-- rollup: sources
-- click: source
-- column source: text, name or host; null for none
-- column visitors: count, distinct cookies; who came from two sources counts in both
-- column sessions: count, sessions that began in the period
-- column views: count, page views
-- column bounce_rate: percent, of the sessions had one page view
-- column duration: duration, of a session on average
select
  nullif(source, '') as source,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views,
  1e2 * {{ bounces() }} / nullif({{ sessions() }}, 0) as bounce_rate,
  1e0 * {{ duration() }} / nullif({{ sessions() }}, 0) as duration
from {{ foremost("source", "sum(visitors)") }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, source") }}
{{ limit() }}
