// What the tag's attributes ask of each hit, and who is not counted. `cmb.refused` is the reason, and the console has it.
((send, store, filters) => {
  if ('refused' in cmb) return;
  let never, refuse = reason => {
    if (reason && reason != cmb.refused) console.info('Crumby: not counted: ' + reason);
    cmb.refused = reason;
  };
  cmb.refused = '';
  let quiet = navigator.globalPrivacyControl | navigator.doNotTrack | navigator.webdriver;
  cmb.use((quiet | document.prerendering) + location + store.cmb, () => {});  // as the core has noted it

  // A page rendered ahead of a click that may never come is no visit yet.
  let start = cmb.start;
  cmb.start = () => document.prerendering ? document.addEventListener('prerenderingchange', cmb.start) : start();

  // `*` is anything but a slash, `**` anything; several are parted by commas.
  let fits = (list, text) => new RegExp('^(' + list.replace(/\s+/g, '').replace(/[^\w*,]/g, '\\$&').replace(/,/g, '|')
    .replace(/\*+/g, stars => stars[1] ? '.*' : '[^/]*') + ')$').test(text);
  let cut = pattern => filters.push(hit => {
    hit.dl = hit.dl.replace(pattern, '');
    if (!hit.dr.indexOf(location.origin)) hit.dr = hit.dr.replace(pattern, '');
    return hit;
  });
  let paths = (list, wanted) => filters.push(hit => {
    if (fits(list, new URL(hit.dl, location).pathname) == wanted) return hit;
    refuse('path');
  });

  if (/\/$/.test(cmb.api)) cmb.api += 'hit';
  if (/^(.+\.)?localhost$|^127\.|^\[::1]$/.test(location.hostname)) never = 'localhost';
  cmb.use('local', () => never = '');
  if (location.protocol == 'file:') never = 'file:';
  // The server takes out of `quiet` what it does not heed; a tag that asks for it has both heeded.
  if (quiet && !document.querySelector('script[data-dnt=false]')) never = 'DNT';
  if (navigator.webdriver) never = 'webdriver';
  cmb.use('dnt', () => { if (navigator.globalPrivacyControl || navigator.doNotTrack == 1) never = 'DNT'; });
  cmb.use('domains', list => { if (!fits(list, location.hostname)) never = 'domain'; });

  // A page with one of these behind its address is a visitor's word on whether to be counted, in this browser.
  let word = (/^#crumby-(ignore|opt-out|opt-in)$/.exec(location.hash) || [])[1];
  if (word) {
    let before = store.cmb, kept;
    try {
      delete store.cmb;
      if (word == 'opt-out' || (word == 'ignore' && !before)) store.cmb = location.hash;
      kept = store == localStorage;
    } catch (blocked) {}
    if (!store.cmb) console.info('Crumby: counted again');
    if (word != 'ignore') alert(!kept ? 'This browser lets ' + location.host + ' keep nothing, so your choice ends with this page.'
      : store.cmb ? 'Your visits to ' + location.host + ' are not counted any more, in this browser.'
      : never == 'DNT' ? 'Your browser asks not to be counted (GPC or DNT), so your visits are not counted anyhow.'
      : 'Your visits to ' + location.host + ' are counted again, in this browser.');
  }
  if (store.cmb) never = 'opted out';
  refuse(never || '');
  // Who is not to be counted has nothing kept: no hit that waits, and no cookie of ours.
  if (/DNT|out/.test(never)) {
    for (let key of Object.keys(store)) if (/^cmb[:-]/.test(key)) delete store[key];
    try {
      if (/(^| )cid=\d{19}(;|$)/.test(document.cookie)) document.cookie = 'cid=;Path=/;Max-Age=0';
    } catch (blocked) {}
  }

  cmb.use('include', list => paths(list, true));
  cmb.use('exclude', list => paths(list, false));
  cmb.use('canonical', () => filters.push(hit => {
    let link = document.querySelector('link[rel=canonical]');
    if (link) hit.dl = link.href;
    return hit;
  }));
  cmb.use('excludeSearch', () => cut(/\?[^#]*/));
  cmb.use('excludeHash', () => cut(/#.*/));
  cmb.use('tag', tg => filters.push(hit => Object.assign(hit, { tg })));
  cmb.use('beforeSend', name => filters.push(hit => (window[name] || name)(hit)));

  // A change of the fragment alone, which the core passes over.
  cmb.use('hash', () => {
    let last = location.href;
    (window.navigation || window).addEventListener('currententrychange', () => {
      let dl = location.href, fragment = last.split('#')[0] == dl.split('#')[0];
      if (fragment && dl != last) setTimeout(() => cmb.visit({ dl }), 100);
      last = dl;
    });
  });

  cmb.send = (hit, key) => {
    if (never) return;
    refuse('');
    for (let filter of filters) hit = hit && filter(hit);
    if (hit) send(hit, key);
  };
})(cmb.send, cmb.store, []);
