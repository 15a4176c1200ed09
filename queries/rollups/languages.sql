-- Languages
-- Page views by the browser's language.
--
-- key: language(10)
-- sum: views, sessions
select
  language,
  day,
  {{ prev_day("language") }} as prev_day,
  sum(views) as views,
  sum(sessions) as sessions
from hits
group by 1, 2, 3
