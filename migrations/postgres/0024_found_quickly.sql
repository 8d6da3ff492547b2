-- What lists of a million are narrowed to by a flag, or are in order of: pages of them read an index, and not everybody.
CREATE INDEX users_inactive ON users (created, created_micros, id) WHERE NOT is_active;
CREATE INDEX users_staff ON users (created, created_micros, id) WHERE is_staff;
CREATE INDEX users_superusers ON users (created, created_micros, id) WHERE is_superuser;
CREATE INDEX organizations_inactive ON organizations (created, created_micros, id) WHERE NOT is_active;
CREATE INDEX organizations_by_name ON organizations (name, id);
CREATE INDEX users_by_email ON users (email NULLS FIRST, id);
CREATE INDEX users_by_first_name ON users (first_name, id);
CREATE INDEX users_by_last_name ON users (last_name, id);
