-- A worker takes an admitted job. For a late, doubled or old message there is nothing to take. The same
-- call again (its answer was lost) gets the same answer.
-- ARGV: job, epoch, worker, token (of this call)
-- Result: {task, kind, attempt (from 1), spec (JSON, of a shard its images, '' for a plan), run's task fingerprint}, or
--         nil
local job, epoch, worker, token = unpack(ARGV)
local state, current, kind, task, owner, claimed, attempts =
  unpack(redis.call('HMGET', key('job', job), 'state', 'epoch', 'kind', 'task', 'owner', 'claim', 'attempts'))
local run = run_of(job)
local fingerprint = redis.call('HGET', key('run', run), 'fingerprint')
if current ~= epoch or not kind or not task or not fingerprint then
  return false
end
local spec = redis.call('HGET', key('run', run, kind == 'shard' and 'shards' or 'jobs'), job) or ''
if state == 'running' and owner == worker and claimed == token then
  return {task, kind, tonumber(attempts or 1), spec, fingerprint}
end
if state ~= 'admitted' or (spec == '' and kind ~= 'plan') or not redis.call('ZSCORE', key('workers'), worker) then
  return false
end
local now = clock()
redis.call('ZREM', key('admitted', kind), job)
redis.call('SADD', key('running', kind), job)
redis.call('SADD', key('worker', worker, 'running'), job)
redis.call('HSET', key('job', job), 'state', 'running', 'owner', worker, 'claim', token, 'started', now)
mark_windows(job, now + ASKED_WITHIN, false)
return {task, kind, redis.call('HINCRBY', key('job', job), 'attempts', 1), spec, fingerprint}
