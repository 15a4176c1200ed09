-- Downloads
-- The files that visitors fetched: events named "Download", or "download", whose value is the file's address.
--
-- chart: bars of downloads by url
-- group: Actions
-- order: 46
-- tab: Events
-- rollup: event_values
-- column url: url, of the file
-- column visitors: count, distinct cookies
-- column downloads: count, how often
select
  nullif(substr(value, 1, 512), '') as url,
  {{ visitors() }} as visitors,
  {{ views() }} as downloads
from {{ events() }}
where {{ period("datetime") }} and name in ('Download', 'download') and {{ event_filters() }}
group by 1, name
having {{ some() }}
{{ order_by("downloads desc, url") }}
{{ limit() }}
