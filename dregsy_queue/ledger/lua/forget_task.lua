-- Forgets all that is known of a task: runs, records, counts, holds. Jobs of its runs go in slices, by those who reap.
-- ARGV: task
-- Result: 1; 0 when a run of it is active, which must be cancelled first
local task = ARGV[1]
local active = redis.call('HGET', key('task', task), 'active')
if active and (redis.call('HGET', key('run', active), 'state') or 'done') ~= 'done' then
  return 0
end
for _, run in ipairs(redis.call('LRANGE', key('task', task, 'runs'), 0, -1)) do
  redis.call('UNLINK', key('run', run))
  later('forget ' .. run)
end
redis.call('UNLINK', key('backlog', task), key('plans', task), key('shards', task))
enroll_all(task)
redis.call('UNLINK', key('task', task), key('task', task, 'runs'), key('records', task), key('looked', task),
  key('pending', task), key('once', task))
redis.call('SREM', key('tasks'), task)
local mine = string.sub(cjson.encode({task, ''}), 1, -4)
for _, field in ipairs(redis.call('HKEYS', key('tally'))) do
  if string.sub(field, 1, #mine) == mine then
    redis.call('HDEL', key('tally'), field)
  end
end
for _, counter in ipairs({'transfers', 'transfer seconds', 'transferred bytes', 'plan waits', 'orders'}) do
  redis.call('HDEL', key(counter), task)
end
redis.call('HDEL', key('holds'), 'task ' .. task)
return 1
