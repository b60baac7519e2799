-- A blob moves no more, or not by this holder.
-- ARGV: registry, blob, holder
local moving = key('moving', ARGV[1], ARGV[2])
return redis.call('GET', moving) == ARGV[3] and redis.call('DEL', moving) or 0
