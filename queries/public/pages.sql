-- Top pages
-- The pages that were viewed most, by path. A page's bounce rate is that of the sessions which began with it.
--
-- chart: bars of views by page
-- group: Traffic
-- order: 18
-- tab: Pages
-- rollup: pages
-- click: page
-- column page: page, path of its address; null where it is not known
-- column visitors: count, distinct cookies
-- column views: count, page views
-- column entries: count, sessions that began here
-- column bounce_rate: percent, of these sessions saw no other page
-- column time_on_page: duration, in sight and in focus, on average; null where no view told
-- column scroll: percent, of the page scrolled into view, on average; null where no view told
select
  nullif(page, '') as page,
  {{ visitors() }} as visitors,
  {{ views() }} as views,
  {% if rolled %}
  sum(entries) as entries,
  1e2 * (sum(entries) - sum(second_views)) / nullif(sum(entries), 0) as bounce_rate,
  1e0 * sum(engaged) / nullif(sum(told), 0) as time_on_page,
  1e0 * sum(scroll) / nullif(sum(scrolled), 0) as scroll
  {% else %}
  count(case when seq = 1 then 1 end) as entries,
  1e2 * {{ bounces() }} / nullif(count(case when seq = 1 then 1 end), 0) as bounce_rate,
  1e0 * sum(engaged) / nullif(count(engaged), 0) as time_on_page,
  1e0 * sum(scroll) / nullif(count(scroll), 0) as scroll
  {% endif %}
from {{ foremost("page", "sum(views)") }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("views desc, page") }}
{{ limit() }}
