-- Languages
-- The languages of the visitors' browsers. Who comes with two of them counts in both.
--
-- chart: bars of visitors by language
-- group: Traffic
-- order: 41
-- tab: Technology
-- rollup: languages
-- click: language
-- column language: language, as the browser names it: en-GB; null where it is not known
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(lang, '') as language,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, language") }}
{{ limit() }}
