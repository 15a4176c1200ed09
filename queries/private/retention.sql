-- Retention
-- Visitors whose first page view ever lies in the period, by its week or month, and how many of them came again: age 0
-- is a visitor's first seven days (thirty, of months), age 1 the next. Of the youngest ones the last ages are not over.
--
-- chart: heatmap of share by age, cohort
-- group: Visitors
-- order: 44
-- parameter cohort: text = week (week | month), what the first page views are gathered by
-- column cohort: text, Monday of the week, or month, of the first page view
-- column size: count, visitors of the cohort
-- column age: integer, weeks (months of thirty days) after the first page view
-- column visitors: count, those who came then
-- column share: percent, of the cohort
with seen as (
  select
    v.cid,
    {% if cohort == "month" %}
    {{ month("w.first") }} as cohort, 2592000 as span,
    {% else %}
    {{ week("w.first") }} as cohort, 604800 as span,
    {% endif %}
    {{ seconds("v.datetime") }} - {{ seconds("w.first") }} as elapsed
  from visits v
  join visitors w on w.cid = v.cid
  where {{ period("v.datetime") }} and {{ period("w.first") }} and {{ filters("v") }}
),
ages as (
  select distinct cid, cohort, (elapsed - elapsed % span) / span as age from seen
)
select
  a.cohort as cohort,
  s.size,
  a.age,
  count(*) as visitors,
  1e2 * count(*) / s.size as share
from ages a
join (select cohort, count(distinct cid) as size from ages group by cohort) s on s.cohort = a.cohort
group by a.cohort, s.size, a.age
{{ order_by("cohort, age") }}
{{ limit() }}
