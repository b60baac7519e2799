-- An operator ends a run early, running transfers too: their workers learn it from their next heartbeat.
-- ARGV: run, why
-- Result: 1; 0 when there is no such run, or it is over
return cancel_run(ARGV[1], ARGV[2], clock(), true) and 1 or 0
