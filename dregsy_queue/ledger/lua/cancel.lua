-- Ends a run early; with running transfers, too, their workers learn it from their next heartbeat.
-- ARGV: run, why, 1 when running transfers end, too
-- Result: 1; 0 when there is no such run, or it is over
return cancel_run(ARGV[1], ARGV[2], clock(), ARGV[3] == '1') and 1 or 0
