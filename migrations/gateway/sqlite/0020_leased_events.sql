-- Until when a gateway that took an event of an operator has to record it; then any other one may. None waits for one that is slow, or
-- behind one that it cannot read.
ALTER TABLE operator_events ADD COLUMN leased_until INTEGER;
