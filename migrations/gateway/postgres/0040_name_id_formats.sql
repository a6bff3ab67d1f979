-- The format in which a SAML provider first named the person. In another format the same text may be what somebody else chose to be called.
-- The lint cannot read COLLATE here.
ALTER TABLE identities ADD COLUMN name_id_format text COLLATE "C"; -- noqa: PRS
ALTER TABLE identities ADD CONSTRAINT identities_name_id_format_check CHECK (length(name_id_format) BETWEEN 1 AND 512);
