-- Whether a user's missing e-mail address or phone number is an empty text to clients of an imported installation: one user has
-- the empty address there, as each other address is one user's.

ALTER TABLE users
    ADD COLUMN email_blank boolean NOT NULL DEFAULT false CHECK (email IS NULL OR NOT email_blank),
    ADD COLUMN phone_blank boolean NOT NULL DEFAULT false CHECK (phone_number IS NULL OR NOT phone_blank);
CREATE UNIQUE INDEX users_email_blank ON users (email_blank) WHERE email_blank;
CREATE UNIQUE INDEX users_phone_blank ON users (phone_blank) WHERE phone_blank;

-- An old installation compares a new address in lower case with those that are kept as they were sent, so that a user may have one twice.
DROP INDEX email_addresses_user_email;
CREATE UNIQUE INDEX email_addresses_user_email ON email_addresses (user_id, email);
