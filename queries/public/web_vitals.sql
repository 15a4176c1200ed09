-- Web Vitals
-- How fast pages were to those who came: of each page the 75th percentile of what browsers measured, as events named
-- "Web Vitals" tell. It is the smallest value that three quarters of the measurements do not exceed (nearest rank, the
-- first definition of Hyndman and Fan, 1996); thresholds are those of <https://web.dev/articles/vitals>.
--
-- chart: table
-- group: Traffic
-- order: 23
-- tab: Pages
-- panel: closed
-- click: page
-- parameter least: integer = 1 (1 to 1000000), leave out pages with fewer measurements
-- column page: page, path of its address
-- column assessment: text, good, needs improvement or poor, as the worst of lcp, inp and cls is
-- column lcp: number, largest contentful paint, in ms; good up to 2500, poor above 4000
-- column inp: number, interaction to next paint, in ms; good up to 200, poor above 500
-- column cls: number, cumulative layout shift; good up to 0.1, poor above 0.25
-- column fcp: number, first contentful paint, in ms; good up to 1800, poor above 3000
-- column ttfb: number, time to first byte, in ms; good up to 800, poor above 1800
-- column measured: count, page views that told, of the metric that most of them told
with measurements as (
  select
    nullif(page, '') as page,
    metric,
    case metric
      when 'lcp' then {{ property("lcp", "number") }}
      when 'inp' then {{ property("inp", "number") }}
      when 'cls' then {{ property("cls", "number") }}
      when 'fcp' then {{ property("fcp", "number") }}
      else {{ property("ttfb", "number") }}
    end as value
  from events
  cross join (
    select 'lcp' as metric
    union all select 'inp'
    union all select 'cls'
    union all select 'fcp'
    union all select 'ttfb'
  ) metrics
  where {{ period("datetime") }} and name = 'Web Vitals' and {{ event_filters() }}
),
counted as (
  select page, metric, value, count(*) as times
  from measurements
  where value is not null
  group by page, metric, value
),
ranked as (
  select
    page,
    metric,
    value,
    sum(times) over (partition by page, metric order by value) as place,
    sum(times) over (partition by page, metric) as many
  from counted
),
percentiles as (
  select page, metric, min(value) as p75, max(many) as many
  from ranked
  where 4 * place >= 3 * many
  group by page, metric
),
pages as (
  select
    page,
    max(many) as measured,
    max(case when metric = 'lcp' then p75 end) as lcp,
    max(case when metric = 'inp' then p75 end) as inp,
    max(case when metric = 'cls' then p75 end) as cls,
    max(case when metric = 'fcp' then p75 end) as fcp,
    max(case when metric = 'ttfb' then p75 end) as ttfb
  from percentiles
  group by page
)
select
  page,
  case
    when lcp > 4000 or inp > 500 or cls > 0.25 then 'poor'
    when lcp > 2500 or inp > 200 or cls > 0.1 then 'needs improvement'
    when coalesce(lcp, inp, cls) is not null then 'good'
  end as assessment,
  lcp,
  inp,
  cls,
  fcp,
  ttfb,
  measured
from pages
where measured >= :least
{{ order_by("measured desc, page") }}
{{ limit() }}
