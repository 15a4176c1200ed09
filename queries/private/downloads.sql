-- Downloads
-- The files that visitors fetched: events named "download", whose value is the file's address.
--
-- chart: bars of downloads by url
-- group: Content
-- order: 27
-- rollup: event_values
-- column url: url, of the file
-- column visitors: count, distinct cookies
-- column downloads: count, how often
select
  nullif(substr(value, 1, 512), '') as url,
  {{ visitors() }} as visitors,
  {{ views() }} as downloads
from {{ events() }}
where {{ period("datetime") }} and name = 'download' and {{ event_filters() }}
group by 1
{{ order_by("downloads desc, url") }}
{{ limit() }}
