-- Refused hits
-- Hits that were not stored, by the reason why. They are counted by the quarter of an hour, and by no filter.
--
-- chart: bars of hits by reason
-- group: Health
-- order: 60
-- column reason: text, why
-- column hits: count, hits that were not stored
select
  reason,
  sum(hits) as hits
from refusals
where {{ period("datetime") }}
group by reason
{{ order_by("hits desc, reason") }}
{{ limit() }}
