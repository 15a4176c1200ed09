-- Last hit
-- How long ago the last page view or event came, of whatever day and site.
--
-- chart: stat of ago
-- group: Live
-- order: 74
-- panel: closed
-- refresh: 30
-- column ago: duration, since then; null before the first one
select {{ seconds(":now") }} - {{ seconds("max(at)") }} as ago
from (
  select max(datetime) as at from visits
  union all
  select max(datetime) from events
) hits
