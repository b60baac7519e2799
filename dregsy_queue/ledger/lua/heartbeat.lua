-- Renews a worker's lease and says what it offers.
-- ARGV: worker, lease in seconds, slots, kinds (comma separated), draining (1: takes no more jobs)
-- Result: the jobs this worker holds; a job it runs that is not among them was given to another
local worker, lease, slots, kinds, draining = unpack(ARGV)
redis.call('ZADD', key('workers'), clock() + tonumber(lease), worker)
redis.call('HSET', key('worker', worker), 'slots', slots, 'kinds', kinds, 'draining', draining)
return redis.call('SMEMBERS', key('worker', worker, 'running'))
