-- A scheduler wants to lead, or to go on leading. Safe to repeat: an answer that got lost is given again.
-- ARGV: name of the scheduler, seconds for which it leads without asking again
-- Result: 2 when it goes on leading, 1 when it leads from now on, 0 while another one does
local name, seconds = ARGV[1], number(ARGV[2], 1, 3600)
local leader = redis.call('GET', key('beat', '', 'lock'))
-- One that leads for longer than anybody may is from before Redis' clock was set back, and may be gone.
if leader and leader ~= name and redis.call('PTTL', key('beat', '', 'lock')) <= (seconds + 1) * 1000 then
  return 0
end
redis.call('SET', key('beat', '', 'lock'), name, 'PX', math.floor(seconds * 1000))
return leader == name and 2 or 1
