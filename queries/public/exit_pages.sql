-- Exit pages
-- The pages with which sessions ended: the last that each saw within the period.
--
-- chart: bars of exits by page
-- group: Content
-- order: 22
-- click: page
-- column page: page, path of the session's last page
-- column visitors: count, distinct cookies that left here
-- column exits: count, sessions that ended here
-- column exit_rate: percent, of the page's views in sessions were the last
with seen as (
  select
    page,
    cid,
    session,
    case when id in (
      select max(id) from visits where {{ period("datetime") }} and session is not null group by session
    ) then 1 end as ended
  from visits
  where {{ period("datetime") }} and {{ filters() }}
)
select
  nullif(page, '') as page,
  count(distinct case when ended = 1 then cid end) as visitors,
  count(ended) as exits,
  1e2 * count(ended) / count(session) as exit_rate
from seen
group by 1
having count(ended) > 0
{{ order_by("exits desc, page") }}
{{ limit() }}
