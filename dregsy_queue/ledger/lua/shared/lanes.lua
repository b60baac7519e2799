-- Lanes: all tasks whose next job is of one kind, from one registry to another, with one priority. Where one of them
-- must wait, all must. Tasks of a lane take turns, lanes of one priority take turns.

local function next_turn()
  local turn = redis.call('INCR', key('turns'))
  if turn == 1 then
    -- The counter is new, or was lost: later than all turns that it gave before.
    turn = math.floor(clock() * 1000)
    redis.call('SET', key('turns'), whole(turn))
  end
  return turn
end

-- Puts a task into the lane of the first job of its `list` (backlog or plans), or out of all lanes while it is on hold.
-- To be called after a change of a hold, of a list's first job, or of a task's priority or registries; tidy calls it, too.
local function enroll(task, list)
  local field = list == 'plans' and 'plan lane' or 'lane'
  local priority, source, target, lane =
    unpack(redis.call('HMGET', key('task', task), 'priority', 'source', 'target', field))
  local job = redis.call('LINDEX', key(list, task), 0)
  local wanted = false
  -- Without its registries it has none: they are lost, and come back from the run's record (see audit.lua).
  if job and source and not on_hold('task ' .. task) then
    local kind = list == 'plans' and 'plan' or redis.call('HGET', key('job', job), 'kind') or 'skopeo'
    wanted = table.concat({priority or '5', kind, source, target or ''}, ' ')
  end
  if lane and lane ~= wanted then
    redis.call('ZREM', key('lane', lane), task)
    redis.call('HDEL', key('task', task), field)
  end
  if wanted and (lane ~= wanted or not redis.call('ZSCORE', key('lane', wanted), task)) then
    redis.call('HSET', key('task', task), field, wanted)
    redis.call('ZADD', key('lane', wanted), next_turn(), task)
  end
  if wanted and not redis.call('ZSCORE', key('ring', string.match(wanted, '^%S+')), wanted) then
    redis.call('ZADD', key('ring', string.match(wanted, '^%S+')), next_turn(), wanted)
  end
end
