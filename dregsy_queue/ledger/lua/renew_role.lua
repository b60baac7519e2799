-- A scheduler or a worker says that it lives, and by which config.
-- ARGV: kind (scheduler, worker), name, lease in seconds, seconds for which a role that is gone is remembered,
--       hash of the config's bytes, error of the newest config ('' when it is used), version,
--       tasks of a leader (JSON: task → {interval in seconds, next run as Unix time}; '' when it does not lead, or
--       nothing changed), name of the cluster ('' for none)
local kind, name, lease, remembered, hash, err, version, tasks, cluster = unpack(ARGV)
local now = clock()
-- What a scheduler says of itself may be old by the time it arrives; who leads says the key of the leader.
local leads = kind == 'scheduler' and redis.call('GET', key('beat', '', 'lock')) == name
local scheduled = leads and tasks ~= '' and cjson.decode(tasks) or nil
local role = key('role', kind, name)
redis.call('ZADD', key('roles', kind), now + lease, name)
not_later(key('roles', kind), now + lease, now + lease)
redis.call('HSETNX', role, 'since', now)
redis.call('HSET', role, 'config', hash, 'error', err, 'version', version, 'cluster', cluster or '')
redis.call('EXPIRE', role, remembered)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', key('roles', kind), '-inf', now - remembered, 'LIMIT', 0, 100)) do
  redis.call('ZREM', key('roles', kind), old)
end
if scheduled then
  -- What the leader does not name has left the config: it is stale no longer, and forgotten in the end.
  redis.call('SET', key('scheduled'), tasks)
  for _, task in ipairs(redis.call('SMEMBERS', key('tasks'))) do
    if scheduled[task] then
      redis.call('HDEL', key('task', task), 'left')
    else
      redis.call('HSETNX', key('task', task), 'left', now)
    end
  end
end
