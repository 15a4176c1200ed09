-- Engagement
-- How long pages are read, and how far. A second counts while the page is in sight and in focus; a view counts in the
-- averages if its browser told.
--
-- chart: bars of total_time by page
-- group: Traffic
-- order: 21
-- tab: Pages
-- rollup: pages
-- click: page
-- column page: page, path of its address
-- column views: count, page views
-- column time_on_page: duration, on average
-- column total_time: duration, of all views together
-- column scroll: percent, of the page scrolled into view, on average
-- column to_the_end: percent, of the views saw nine tenths of the page or more
select
  nullif(page, '') as page,
  {{ views() }} as views,
  {% if rolled %}
  1e0 * sum(engaged) / nullif(sum(told), 0) as time_on_page,
  case when sum(told) > 0 then sum(engaged) end as total_time,
  1e0 * sum(scroll) / nullif(sum(scrolled), 0) as scroll,
  1e2 * sum(finished) / nullif(sum(scrolled), 0) as to_the_end
  {% else %}
  1e0 * sum(engaged) / nullif(count(engaged), 0) as time_on_page,
  sum(engaged) as total_time,
  1e0 * sum(scroll) / nullif(count(scroll), 0) as scroll,
  1e2 * count(case when scroll >= 90 then 1 end) / nullif(count(scroll), 0) as to_the_end
  {% endif %}
from {{ foremost("page", "case when sum(told) > 0 then sum(engaged) end") }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("total_time desc, page") }}
{{ limit() }}
