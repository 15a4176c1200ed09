// A page that is not there is an event with its path.
cmb.use('404', value => {
  if (value == 'yes' || performance.getEntriesByType('navigation')[0].responseStatus == 404) cmb.event('404', location.pathname);
});
