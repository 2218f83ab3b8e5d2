"""What the page shows, as plain data: a function of a reader and a request's arguments each."""
