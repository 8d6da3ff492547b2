"""The one app of the tests: users with UUIDs, as openwisp-users has them."""
