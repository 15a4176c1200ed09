// A link to another host is an event when it is clicked, by the middle button as well.
cmb.use('outbound', () => ['click', 'auxclick'].map(kind => document.addEventListener(kind, event => {
  let link = event.target.closest('a[href]');
  if (link && link.host && link.host != location.host) cmb.event('Outbound link', link.href);
})));
