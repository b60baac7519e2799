-- All keys, so that nothing is left that no other key leads to.

local function unescaped(name)
  return (string.gsub(string.gsub(name, '%%3A', ':'), '%%25', '%%'))
end

-- What is left of a run whose record is gone.
local function check_rest(run)
  local task = redis.call('HGET', key('job', run .. ':plan'), 'task')
  if redis.call('EXISTS', key('run', run)) == 1 or (task and (redis.call('HGET', key('task', task), 'active') == run
      or redis.call('LPOS', key('chores'), 'fail ' .. run .. ' ' .. task) ~= false)) then
    return
  end
  if see_to('forget ' .. run) then
    repaired('something was left of run ' .. run)
  end
end

local function check_key(kind, name, more)
  if kind == 'run' and more == '' then
    look_at_run(name)
  elseif kind == 'run' then
    check_rest(name)
  elseif kind == 'job' and is_shard(name .. ':' .. more) then
    local job = name .. ':' .. more
    if redis.call('HEXISTS', key('run', name, 'shards'), job) == 0 then
      drop_shard(job)
      repaired('shard ' .. job .. ' was of no run')
    end
  elseif kind == 'job' and redis.call('EXISTS', key('run', name)) == 0 then
    local job = name .. ':' .. more
    if redis.call('HEXISTS', key('run', name, 'jobs'), job) == 1 or more == 'plan' then
      check_rest(name)
    else
      let_go(job)
      redis.call('ZREM', key('delayed'), job)
      redis.call('UNLINK', key('job', job))
      repaired('job ' .. job .. ' was of no run')
    end
  elseif kind == 'using' then
    check_registry(more == '' and name or name .. ':' .. more)
  elseif kind == 'worker' and (more == '' or more == 'running') then
    give_lease(name)
  elseif kind == 'task' and more == '' and redis.call('HEXISTS', key('task', unescaped(name)), 'source') == 1
      and redis.call('SADD', key('tasks'), unescaped(name)) == 1 then
    repaired('task ' .. unescaped(name) .. ' was in no list')
  end
end

local function walk()
  local answer = redis.call('SCAN', remembered('walk') or '0', 'COUNT', SLICE / 2)
  redis.call('HSET', key('audit'), 'walk', answer[1])
  for _, name in ipairs(answer[2]) do
    if string.sub(name, 1, #PREFIX) == PREFIX then
      local kind, rest, more = string.match(string.sub(name, #PREFIX + 1), '^(%l+):([^:]+):?(.*)$')
      if kind then
        check_key(kind, rest, more)
      end
    end
  end
end
