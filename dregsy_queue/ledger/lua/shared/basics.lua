-- What this folder has is put before each script when it is loaded. Here: keys, numbers from outside, and the clock.
-- Redis does not roll back, so a script checks what it was given before its first write, takes a missing record for one
-- that is gone, and never looks at more than some hundred things.

-- Python puts its own values here when it loads a script, where they are others.
local KINDS = {'plan', 'skopeo', 'docker', 'direct'}
local PREFIX = 'dregsy:'
-- Records looked at in one slice of long work.
local SLICE = 200
-- Jobs ended in one slice: each costs as much as several looks.
local ENDED_AT_ONCE = 50

-- Keys that end with the name of a task, or go on after it: ':' in the name is written as '%3A'.
local NAMED = {task = true, backlog = true, plans = true, records = true, looked = true, pending = true, once = true}
local ESCAPED = {['%'] = '%25', [':'] = '%3A'}

local function key(kind, name, ...)
  if NAMED[kind] then
    name = string.gsub(name, '[%%:]', ESCAPED)
  end
  return PREFIX .. table.concat({kind, name, ...}, ':')
end

-- Redis' own clock, in seconds: no worker's clock decides anything.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- An argument as a number between two bounds. Anything else ends the script, before it wrote anything.
local function number(text, least, most)
  local value = tonumber(text)
  if not value or value ~= value then
    error('not a number: ' .. string.sub(tostring(text), 1, 40))
  end
  return math.max(least, math.min(most, value))
end

-- A number as Redis takes it for a whole one.
local function whole(value)
  return string.format('%.0f', value)
end

-- JSON as a table; nil for any other text.
local function decode(text)
  local good, value = pcall(cjson.decode, text or '')
  return good and type(value) == 'table' and value or nil
end

-- "17-3fa9c2d1:ab04…" -> "17-3fa9c2d1"
local function run_of(job)
  return string.match(job, '^([^:]*)')
end

local function spec_of(job)
  return decode(redis.call('HGET', key('run', run_of(job), 'jobs'), job))
end

-- Records that long work has looked at in this call.
local touched = 0
local function touch(number)
  touched = touched + number
end

-- Long work, done in slices by those who reap: "verb run".
local function later(chore)
  redis.call('RPUSH', key('chores'), chore)
end

-- Counts outcomes since this Redis began, for metrics.
local function tally(task, status, reason, count)
  redis.call('HINCRBY', key('tally'), cjson.encode({task, status, reason}), count)
end

-- Does an order ("dregsy pause") hold a task or a registry now? `what` is 'task NAME' or 'registry HOST'.
local function on_hold(what)
  local hold = decode(redis.call('HGET', key('holds'), what))
  local ends = hold and tonumber(hold['until']) or 0
  return hold ~= nil and (ends == 0 or clock() < ends)
end
