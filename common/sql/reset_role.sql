-- Takes the role back that the session began with: a handler may have set another for its own statements.
-- No columns.
RESET ROLE;
