-- In the order in which they were made, however many there are: for lists and their pages.

CREATE INDEX organizations_created ON organizations (created, created_micros, id);
