-- Event properties
-- What events were told with: each property of cmb.event(name, value, properties), and each value of it. Of Web Vitals,
-- whose values are measurements, another report tells.
--
-- chart: table
-- group: Actions
-- order: 48
-- tab: Events
-- panel: closed
-- click: event
-- column event: text, name of the event
-- column property: text, name of the property
-- column value: text, of the property; a number, true and false as they are written
-- column events: count, how often
-- column visitors: count, distinct cookies
select
  event,
  property,
  value,
  count(*) as events,
  {{ visitors() }} as visitors
from (
  select
    nullif(substr(e.name, 1, 200), '') as event,
    {% if dialect == "sqlite" %}
    p.key as property,
    case p.type when 'true' then 'true' when 'false' then 'false' else cast(p.atom as text) end as value,
    {% elif dialect == "mysql" %}
    p.property,
    json_unquote(json_extract(e.properties, concat('$."', p.property, '"'))) as value,
    {% elif dialect == "clickhouse" %}
    property,
    case when JSONType(e.properties, property) = 'String' then JSONExtractString(e.properties, property)
      when JSONType(e.properties, property) <> 'Null' then JSONExtractRaw(e.properties, property) end as value,
    {% else %}
    p.property collate "C" as property,
    p.value collate "C" as value,
    {% endif %}
    e.cid,
    e.session
  from events e
  {% if dialect == "sqlite" %}
  join json_each(e.properties) p
  {% elif dialect == "mysql" %}
  join json_table(json_keys(e.properties), '$[*]' columns (property varchar(64) path '$')) p
  {% elif dialect == "clickhouse" %}
  array join JSONExtractKeys(coalesce(e.properties, '')) as property
  {% else %}
  cross join lateral json_each_text(cast(e.properties as json)) as p (property, value)
  {% endif %}
  where {{ period("e.datetime") }} and {{ event_filters("e") }}
    and e.properties is not null and e.name <> 'Web Vitals'
) told
group by event, property, value
{{ order_by("events desc, event, property, value") }}
{{ limit() }}
