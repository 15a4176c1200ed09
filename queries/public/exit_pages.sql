-- Exit pages
-- The pages with which sessions ended: the last that each of them saw.
--
-- chart: bars of exits by page
-- group: Traffic
-- order: 20
-- tab: Pages
-- rollup: exits
-- click: page
-- column page: page, path of its address
-- column exits: count, sessions that ended here
-- column exit_rate: percent, of the page's views in sessions were the last
{% if rolled %}
select
  nullif(page, '') as page,
  {{ exits() }} as exits,
  1e2 * {{ exits() }} / {{ session_views() }} as exit_rate
from {{ foremost("page", "sum(exits)") }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{% else %}
select
  page,
  sum(ended) as exits,
  1e2 * sum(ended) / sum(views) as exit_rate
from (
  select
    nullif(page, '') as page,
    {{ exits() }} as ended,
    {{ session_views() }} as views
  from {{ visits() }}
  where {{ period("datetime") }} and {{ filters() }}
  group by 1
) pages
group by page
having sum(ended) > 0
{% endif %}
{{ order_by("exits desc, page") }}
{{ limit() }}
