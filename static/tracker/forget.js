// Stands before the core where VISITOR_ID has no cookie: whatever the tag says none is set, and the one of before goes.
document.currentScript.dataset.cid = 'none';
try {
  if (/(^| )cid=\d{19}(;|$)/.test(document.cookie)) document.cookie = 'cid=;Path=/;Max-Age=0';
} catch (blocked) {}
