-- New and returning
-- Visitors by hour, day, week or month: those who came for the first time ever, and those who had come before. The new
-- ones add up to the new visitors of the period; a returning one counts each time.
--
-- chart: timeseries of new_visitors, returning_visitors by date
-- group: Habits
-- order: 55
-- rollup: totals
-- fill: date
-- column date: moment, in the report's time zone
-- column new_visitors: count, distinct cookies whose first page view ever was then
-- column returning_visitors: count, distinct cookies whose first page view was earlier
{% if rolled %}
select
  moment as date,
  sum(first_views) as new_visitors,
  sum(visitors) - sum(first_views) as returning_visitors
from {{ visits() }}
{% else %}
select
  moment as date,
  sum(newcomer) as new_visitors,
  count(*) - sum(newcomer) as returning_visitors
from (
  select
    moment,
    case when first >= {{ seconds(":start") }} and {{ bucket(instant("first")) }} = moment then 1 else 0 end as newcomer
  from (
    select cid, {{ bucket("datetime") }} as moment, min(first) as first
    from {{ visits() }}
    where {{ period("datetime") }} and {{ filters() }} and session is not null
    group by 1, 2
  ) seen
) told
{% endif %}
group by moment
{{ order_by("date") }}
{{ limit() }}
