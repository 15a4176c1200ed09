// A form that is sent is an event with the name of the form, never of what was typed.
cmb.use('forms', () => document.addEventListener('submit', event => {
  let given = name => event.target.getAttribute(name);  // a field called `name` or `id` would hide the form's own
  cmb.event('Form', given('name') || given('id') || given('action'));
}));
