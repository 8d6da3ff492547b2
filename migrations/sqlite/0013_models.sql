-- Which model a permission is of, where an import has told it: by that it is shown and ordered as in Django, where it need not be part of
-- the codename.

ALTER TABLE permissions ADD COLUMN model TEXT NOT NULL DEFAULT '';
