"""What people see: the page, the login, the documentation of the API."""
