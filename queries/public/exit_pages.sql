-- Exit pages
-- The pages with which sessions ended: the last that each of them saw.
--
-- chart: bars of exits by page
-- group: Content
-- order: 22
-- rollup: exits
-- click: page
-- column page: page, path of its address
-- column exits: count, sessions that ended here
-- column exit_rate: percent, of the page's views in sessions were the last
select
  nullif(page, '') as page,
  {{ exits() }} as exits,
  1e2 * {{ exits() }} / {{ session_views() }} as exit_rate
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ exits() }} > 0
{{ order_by("exits desc, page") }}
{{ limit() }}
