-- Who keeps the most dead rows from being removed.
-- Columns: subject (null: nobody does), held_ms (null: not known), xids, horizon, finding, mend; limit_ms: what is worth a line.
SELECT h.subject, h.held_ms, h.xids, h.horizon, h.finding, h.mend, h.limit_ms FROM ganger._oldest_horizon() AS h;
