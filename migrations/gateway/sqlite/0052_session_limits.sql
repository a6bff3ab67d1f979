-- How long a session lives unused, as its tenant said when it began; none of a session of before, which lives as the gateway says. One that is
-- remembered outlives the browser's own session.
ALTER TABLE sessions ADD COLUMN idle_seconds INTEGER CHECK (idle_seconds BETWEEN 1 AND 31536000);
ALTER TABLE sessions ADD COLUMN remembered INTEGER NOT NULL DEFAULT 0 CHECK (remembered IN (0, 1));
