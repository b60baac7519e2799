-- Says how a claimed transfer ended, or a shard that nobody could plan: its outcome, or that it shall run again later.
-- ARGV: job, epoch, worker, status (copied, up-to-date, failed, cancelled, waiting), delay in seconds (for waiting),
--       digest, error, seconds it took, sync record to keep ('' for none), 1 when the attempt does not count,
--       bytes sent to the target as far as known, token (of this call: made again, it gets the same answer)
-- Result: 1, or 0 when the job is no longer held under this epoch (nothing changes then)
local job, epoch, worker, status, delay, digest, err, seconds, record, uncounted, sent, token = unpack(ARGV)
delay, seconds, sent = number(delay, 0, 86400), number(seconds, 0, 1e9), number(sent, 0, 1e15)
if not holds(job, epoch, worker) then
  return settled_before(job, epoch, token) and 1 or 0
end
local now = clock()
mark_windows(job, now, false)
if status == 'copied' then
  -- A registry that was paused works again once a transfer that began after the pause came through.
  local started = tonumber(redis.call('HGET', key('job', job), 'started') or 0)
  for _, registry in ipairs(registries_of(job)) do
    local ends = redis.call('HGET', key('pause', registry), 'until')
    if ends and started >= tonumber(ends) then
      redis.call('HDEL', key('pause', registry), 'transfers', 'step')
    end
  end
end
let_go(job)
redis.call('HDEL', key('job', job), 'owner', 'claim')
redis.call('HSET', key('job', job), 'error', err, 'seconds', tostring(seconds), 'settled', epoch .. ' ' .. token)
local spec = spec_of(job)
if digest ~= '' and not (spec and spec.digest == digest) then
  -- Only where it is another one than was planned: it would make up half of the record.
  redis.call('HSET', key('job', job), 'digest', digest)
end
if status == 'waiting' then
  if uncounted == '1' then
    redis.call('HINCRBY', key('job', job), 'attempts', -1)
  end
  local cancelled = redis.call('HGET', key('run', run_of(job)), 'cancelled')
  redis.call('HSET', key('job', job), 'state', 'waiting')
  if cancelled then
    cancel_job(job, cancelled, now, false)
  elseif delay > 0 then
    redis.call('ZADD', key('delayed'), now + delay, job)
  else
    wait(job, true)
  end
  return 1
end
local task, kind = unpack(redis.call('HMGET', key('job', job), 'task', 'kind'))
if kind == 'shard' then
  end_shard(job, err)
  return 1
end
task = task or ''
redis.call('HINCRBYFLOAT', key('transfer seconds'), task, tostring(seconds))
redis.call('HINCRBY', key('transfers'), task, 1)
if sent > 0 then
  redis.call('HINCRBY', key('transferred bytes'), task, whole(sent))
  if redis.call('EXISTS', key('run', run_of(job))) == 1 then
    redis.call('HINCRBY', key('run', run_of(job)), 'bytes', whole(sent))
  end
end
if record ~= '' and spec and spec.target then
  redis.call('HSET', key('records', task), tostring(spec.target), record)
end
end_job(job, status, now)
return 1
