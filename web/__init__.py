"""What people and programs see: app factory, API, pages, stand-in trackers, command line."""
