// <button data-cmb-event="basket" data-cmb-value="rye" data-cmb-shop="Old Town"> is an event with a property when it is
// clicked; a form, when it is sent.
cmb.use('elements', () => ['click', 'submit'].map(kind => document.addEventListener(kind, event => {
  let element = event.target.closest('[data-cmb-event]'), properties = {};
  if (!element || (element.tagName == 'FORM') != (kind == 'submit')) return;
  for (let key in element.dataset) if (/^cmb./.test(key)) properties[key[3].toLowerCase() + key.slice(4)] = element.dataset[key];
  let { event: name, value } = properties;
  delete properties.event;
  delete properties.value;
  cmb.event(name, value, properties);
})));
