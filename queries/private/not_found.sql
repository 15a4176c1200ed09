-- Not found
-- The addresses that led nowhere: pages that sent an event named "404".
--
-- chart: bars of hits by page
-- group: Actions
-- order: 47
-- tab: Events
-- rollup: event_pages
-- click: page
-- column page: page, path of the address
-- column visitors: count, distinct cookies
-- column hits: count, how often
select
  nullif(page, '') as page,
  {{ visitors() }} as visitors,
  {{ views() }} as hits
from {{ events() }}
where {{ period("datetime") }} and name = '404' and {{ event_filters() }}
group by 1
having {{ some() }}
{{ order_by("hits desc, page") }}
{{ limit() }}
