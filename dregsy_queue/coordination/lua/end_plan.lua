-- Ends the planning of a run.
-- ARGV: plan job, epoch, problem (JSON; '' when planning went well)
-- Result: 1, or 0 when this planner no longer holds the plan
if not holds(ARGV[1], ARGV[2]) then
  return 0
end
let_go(ARGV[1])
end_planning(ARGV[1], clock(), ARGV[3] ~= '' and ARGV[3] or nil)
return 1
