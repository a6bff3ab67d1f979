-- Roles that an account has because it has a second factor: with the last factor they are promises again.
ALTER TABLE account_roles ADD COLUMN by_factor INTEGER NOT NULL DEFAULT 0 CHECK (by_factor IN (0, 1));
