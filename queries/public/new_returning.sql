-- New and returning
-- Visitors by hour, day, week or month: those who came for the first time ever, and those who had come before. The new
-- ones add up to the new visitors of the period; a returning one counts each time.
--
-- chart: timeseries of new_visitors, returning_visitors by date
-- group: Visitors
-- order: 43
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
  count(case when first_date = moment then 1 end) as new_visitors,
  count(case when first_date = moment then null else cid end) as returning_visitors
from (
  select distinct
    cid,
    {{ bucket("datetime") }} as moment,
    case when {{ period(instant("first")) }} then {{ bucket(instant("first")) }} end as first_date
  from visits
  where {{ period("datetime") }} and {{ filters() }} and session is not null
) seen
{% endif %}
group by moment
{{ order_by("date") }}
{{ limit() }}
