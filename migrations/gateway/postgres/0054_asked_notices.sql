-- Whether a stranger asked for it: those have a bound of their own, and wait behind what people have to be told of their accounts.
ALTER TABLE notices ADD COLUMN asked boolean NOT NULL DEFAULT false;
