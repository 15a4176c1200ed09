-- Events
-- What visitors did. Of the same event by the same visitor on the same page, the last value counts. Where visitors are
-- not told apart, each event does.
--
-- chart: table
-- group: As Crumby 0.7.1 had them
-- order: 95
-- panel: closed
-- column Title: text, title of the page
-- column Name: text, name of the event
-- column Value: text, value of the event
-- column Count: count, visitors for whom that was the last value
select
  doc_title as "Title",
  name as "Name",
  value as "Value",
  count(value) as "Count"
from events
where id in (select max(id) from events where datetime >= :start group by cid, doc_title, name, case when cid is null then id end)
  and {{ period("datetime") }} and {{ event_filters() }}
group by doc_title, name, value
{{ order_by('"Count" desc, "Title", "Name", "Value"') }}
{{ limit() }}
