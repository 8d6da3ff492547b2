-- What lists are in order of: pages of them read an index, and not everybody.
CREATE INDEX organizations_by_name ON organizations (name, id);
CREATE INDEX users_by_email ON users (email, id);
CREATE INDEX users_by_first_name ON users (first_name, id);
CREATE INDEX users_by_last_name ON users (last_name, id);
