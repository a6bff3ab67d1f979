-- Since when a device on which the person proved a factor is known: one from before the password or a factor went was perhaps somebody else's.
ALTER TABLE accounts ADD COLUMN devices_since INTEGER NOT NULL DEFAULT 0;
