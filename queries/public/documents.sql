-- Pages
-- The pages that were viewed most, by address and title; those of a local machine are left out.
--
-- chart: bars of views by uri
-- group: As Crumby 0.7.1 had them
-- order: 91
-- panel: closed
-- column uri: text, the page's address without its scheme
-- column doc_title: text, the page's title
-- column views: count, page views
select
  {{ strip_scheme("doc_uri") }} as uri,
  doc_title,
  count(*) as views
from visits
where {{ period("datetime") }} and {{ filters() }}
  and lower({{ strip_scheme("doc_uri") }}) not like 'localhost%'
  and {{ strip_scheme("doc_uri") }} not like '127.0.0.1%'
group by 1, 2
{{ order_by("views desc, uri, doc_title") }}
{{ limit() }}
