-- The format in which a SAML provider first named the person. In another format the same text may be what somebody else chose to be called.
ALTER TABLE identities ADD COLUMN name_id_format TEXT CHECK (length(name_id_format) BETWEEN 1 AND 512);
