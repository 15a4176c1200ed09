// A link to a file is an event when it is clicked, by the middle button as well.
cmb.use('downloads', endings => ['click', 'auxclick'].map(kind => document.addEventListener(kind, event => {
  let link = event.target.closest('a[href]');
  endings = endings || 'pdf,docx?,xlsx?,pptx?,od[tsp],csv,txt,epub,zip,rar,7z,gz,tar,dmg,exe,msi,pkg,deb,apk,iso,mp[34],wav,mov,jpe?g,png,svg';
  if (link && RegExp('\\.(' + endings.replace(/\s*,\s*/g, '|') + ')$', 'i').test(link.pathname)) cmb.event('Download', link.href);
})));
