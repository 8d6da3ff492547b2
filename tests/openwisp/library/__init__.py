"""A service whose authorization is openwisp-users' building blocks, each on a view of its own."""
