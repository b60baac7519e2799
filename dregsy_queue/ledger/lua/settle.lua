-- Says how a claimed transfer ended: its outcome, or that it shall run again later.
-- ARGV: job, epoch, status (copied, up-to-date, failed, waiting), delay in seconds (for waiting),
--       digest, error, seconds it took, sync record to keep ('' for none), 1 when the attempt does not count,
--       bytes sent to the target, as far as known
-- Result: 1, or 0 when the job is no longer held under this epoch (nothing changes then)
local job, epoch, status, delay, digest, err, seconds, record, uncounted, sent = unpack(ARGV)
if not holds(job, epoch) then
  return 0
end
local now = clock()
mark_windows(job, now, false)
if status == 'copied' then
  -- A registry that was paused works again once a transfer that began after the pause came through.
  for _, registry in ipairs(registries_of(job)) do
    local ends = redis.call('HGET', key('pause', registry), 'until')
    if ends and tonumber(redis.call('HGET', key('job', job), 'started')) >= tonumber(ends) then
      redis.call('HDEL', key('pause', registry), 'transfers', 'step')
    end
  end
end
let_go(job)
redis.call('HSET', key('job', job), 'error', err, 'digest', digest, 'seconds', seconds)
if status == 'waiting' then
  if uncounted == '1' then
    redis.call('HINCRBY', key('job', job), 'attempts', -1)
  end
  if tonumber(delay) > 0 then
    redis.call('HSET', key('job', job), 'state', 'waiting')
    redis.call('HDEL', key('job', job), 'owner')
    redis.call('ZADD', key('delayed'), now + tonumber(delay), job)
  else
    wait(job, true)
  end
  return 1
end
local task = redis.call('HGET', key('job', job), 'task')
redis.call('HINCRBYFLOAT', key('transfer seconds'), task, seconds)
redis.call('HINCRBY', key('transfers'), task, 1)
if tonumber(sent) > 0 then
  redis.call('HINCRBY', key('transferred bytes'), task, sent)
end
if record ~= '' then
  local target = cjson.decode(redis.call('HGET', key('run', run_of(job), 'jobs'), job)).target
  redis.call('HSET', key('records', task), target, record)
end
end_job(job, status, now)
return 1
