-- One slice of long work: forgetting a run, cancelling one, sweeping up after one, ending one whose record is lost.
-- Result: 1 when there is more of it
local now = clock()

-- Long work: each verb does one slice and returns whether it is through.

-- What is kept of targets, in the order in which it is swept.
local AFTER = {pending = 'records', records = 'looked'}

-- After a run that planned all: what it did not find has left, neither waits nor needs a
-- record.
local function sweep(run)
  local targets = key('run', run, 'targets')
  local task, step, cursor = unpack(redis.call('HMGET', key('run', run), 'task', 'sweep', 'sweep cursor'))
  local active = task and redis.call('HGET', key('task', task), 'active')
  if not task or (active and active ~= run) or redis.call('EXISTS', targets) == 0 then
    redis.call('UNLINK', targets)
    return true
  end
  step = step or 'pending'
  local answer = redis.call('HSCAN', key(step, task), cursor or '0', 'COUNT', SLICE)
  touch(#answer[2] / 2)
  for i = 1, #answer[2], 2 do
    if redis.call('SISMEMBER', targets, answer[2][i]) == 0 then
      redis.call('HDEL', key(step, task), answer[2][i])
    end
  end
  if answer[1] == '0' and not AFTER[step] then
    redis.call('HDEL', key('run', run), 'sweep', 'sweep cursor')
    redis.call('UNLINK', targets)
    return true
  end
  redis.call('HSET', key('run', run), 'sweep', answer[1] == '0' and AFTER[step] or step, 'sweep cursor', answer[1])
  return false
end

-- A run whose record is lost: what is left of it goes, and it stands as one that has failed. "run task"
local function fail(text)
  local run, task = string.match(text, '^(%S+) (.+)$')
  if not forget_slice(run) then
    return false
  end
  redis.call('HSET', key('run', run), 'task', task, 'fingerprint', '', 'state', 'running', 'started', now,
    'planned', now, 'open', 0)
  note_loss(run, 'Redis lost the record of this run: does it evict keys?')
  if redis.call('LPOS', key('task', task, 'runs'), run) == false then
    redis.call('LPUSH', key('task', task, 'runs'), run)
  end
  finish_run_if_over(run, now)
  return true
end

local chores = {forget = forget_slice, sweep = sweep, fail = fail,
  cancel = function(run) return cancel_slice(run, now) end}
-- Small ones in one call, as long as they are one slice together.
for _ = 1, 20 do
  local chore = redis.call('LPOP', key('chores'))
  local verb, run = string.match(chore or '', '^(%S+) (.+)$')
  if chores[verb] and not chores[verb](run) then
    redis.call('RPUSH', key('chores'), chore)
  end
  if not chore or touched >= SLICE / 2 then
    break
  end
end
return redis.call('EXISTS', key('chores'))
