-- Origins
-- The pages that visits come from; an empty origin is a visit without a referrer, local machines are left out.
--
-- chart: bars of views by origin
-- group: As Crumby 0.7.1 had them
-- order: 93
-- panel: closed
-- column origin: text, the referrer without its scheme
-- column views: count, page views
select
  {{ strip_scheme("referrer") }} as origin,
  count(*) as views
from visits
where {{ period("datetime") }} and {{ filters() }}
  and lower({{ strip_scheme("referrer") }}) not like 'localhost%'
  and {{ strip_scheme("referrer") }} not like '127.0.0.1%'
group by 1
{{ order_by("views desc, origin") }}
{{ limit() }}
