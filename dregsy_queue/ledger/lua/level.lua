-- Finds how many requests all workers together should have under way at a registry: its level. None: nothing stands in
-- the way. Workers say what they saw since their last call; when that is enough, one of three things happens:
--   it grows, while answers take no longer than at a lower level, and all of it is used;
--   it shrinks: once when a refusal began a pause, when more requests fail than before, when answers take longer;
--   it dips, now and then: with fewer requests under way, are as many answered? Then it stays there, and dips on. If
--   not, it returns to what was used; and how long answers took in the dip is what later ones are measured by.
-- ARGV: registry, worker, epoch that its figures belong to, 1 when a refusal of its own began a pause; seconds that the
--       figures cover, requests under way in this time on average, and those together with the ones that waited here;
--       answers, failures among them, seconds that the good ones took to their ends, answers that came in this time
--       whenever they were asked for; then, by kind of request: kind, number of good answers, seconds until their heads
--       came, …
-- Result: {epoch, level ('': none), share of this worker ('': none), seconds until figures of this epoch count, seconds
--       until the next call, 1 when there may be too many requests, although there is no level}
local LEAST, MOST_PER_WORKER, KINDS_OF_REQUESTS = 2, 64, 12
-- An epoch ends with enough answers after so many seconds, with some after more.
local ENOUGH, SOON, SOME, LATE = 20, 2, 6, 8
-- Answers take as long as before up to FLAT times, and clearly longer from SLOWER times and so many seconds on.
local FLAT, SLOWER, SLOWER_BY = 1.1, 1.2, 0.004
-- What makes a first dip worth it, in seconds until heads: for so many epochs in a row, with so many under way.
local SLOW, BADLY, BUSY, CLEARLY_SLOWER, CLEARLY_BY, EPOCHS = 0.04, 1, 6, 2, 0.05, 5
-- As much is done in a dip when it is so much of what was done before: by how long answers take; and by their number,
-- which depends on other things, too.
local AS_MUCH, ABOUT_AS_MUCH = 0.93, 0.8
-- Up to so many requests a dip is less deep.
local FEW = 12
-- Longest time, in seconds, that what was begun before a dip is waited for.
local DRAINED = 40
-- Seconds before a first dip that told nothing is made again; until the next dip, twice as many after each that was of
-- no use, up to so many; before a first one that was of no use is made again; before more is tried after a refusal, and
-- after failures; and for which a level is remembered.
local AGAIN = 10
local DIP_SOON, DIP_LATE, NO_USE, REFUSED, FAILED, REMEMBERED = 10, 60, 300, 60, 45, 86400

local registry, worker = ARGV[1], ARGV[2]
local epoch, refused = number(ARGV[3], 0, 1e15), ARGV[4] == '1'
local span, flight, wanted = number(ARGV[5], 0, 3600), number(ARGV[6], 0, 1e6), number(ARGV[7], 0, 1e6)
local answers, failures, served = number(ARGV[8], 0, 1e9), number(ARGV[9], 0, 1e9), number(ARGV[10], 0, 1e9)
local done = number(ARGV[11], 0, 1e9)
local heard = {}
for i = 12, math.min(#ARGV - 2, 12 + 3 * KINDS_OF_REQUESTS - 1), 3 do
  heard[ARGV[i]] = {number(ARGV[i + 1], 0, 1e9), number(ARGV[i + 2], 0, 1e9)}
end
local now = clock()
local here, crew = key('level', registry), key('level', registry, 'workers')
local level, text = unpack(redis.call('HMGET', here, 'level', 'state'))
level = tonumber(level)
local s = decode(text)
if not s or type(s.base) ~= 'table' or type(s.n) ~= 'table' or type(s.t) ~= 'table' then
  s = {epoch = math.floor(now * 1000), from = now, base = {}, n = {}, t = {}, answers = 0, failures = 0, served = 0,
    done = 0, spans = 0}
end
if s.told and s.told > now + 1 then
  -- Redis' clock was set back: all that is to come is as far away as it was.
  for _, time in ipairs({'from', 'shared', 'dipped', 'cap_until', 'next_dip', 'tried'}) do
    s[time] = s[time] and s[time] - (s.told - now)
  end
end
s.told = now

-- Workers: when each called last, its part of what is under way, what it would use, its share, and since when (in
-- seconds, and of which epoch) these figures are.
local function read_worker(entry)
  local at, under_way, would_use, share, seconds, its_epoch =
    string.match(entry or '', '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {at = tonumber(at) or 0, flight = tonumber(under_way) or 0, wanted = tonumber(would_use) or 0,
    share = tonumber(share) or 0, span = tonumber(seconds) or 0, epoch = tonumber(its_epoch) or 0}
end
local function write_worker(name, w)
  redis.call('HSET', crew, name,
    string.format('%.3f %.3f %.3f %d %.3f %.0f', w.at, w.flight, w.wanted, w.share, w.span, w.epoch))
end
local number_of_workers = redis.call('HLEN', crew)
local pace = math.max(1, math.min(10, number_of_workers / 50))
local function all_workers()
  local found, flat = {}, redis.call('HGETALL', crew)
  for i = 1, #flat, 2 do
    local w = read_worker(flat[i + 1])
    w.name = flat[i]
    if math.abs(now - w.at) > 3 * pace + 5 then
      redis.call('HDEL', crew, w.name)
    else
      found[#found + 1] = w
    end
  end
  return found
end

-- Merge what this worker saw. Figures of an earlier epoch tell nothing of this level.
local me = read_worker(redis.call('HGET', crew, worker))
me.at = now
if span > 0 then
  me.wanted = (me.wanted + wanted) / 2
end
if (epoch == s.epoch or (epoch == 0 and not level)) and span > 0 then
  local old = me.epoch == s.epoch and math.min(me.span, 3) or 0
  me.flight = (me.flight * old + flight * span) / (old + span)
  me.span, me.epoch = old + span, s.epoch
  s.answers, s.failures, s.served = s.answers + answers, s.failures + failures, s.served + served
  s.done, s.spans = s.done + done, s.spans + span
  for kind, figures in pairs(heard) do
    if figures[1] > 0 then
      s.n[kind], s.t[kind] = (s.n[kind] or 0) + figures[1], (s.t[kind] or 0) + figures[2]
    end
  end
end
write_worker(worker, me)

local function begin_figures(from)
  s.from, s.n, s.t, s.answers, s.failures, s.served, s.done, s.spans = from, {}, {}, 0, 0, 0, 0, 0
end
local changed = false
-- Sets the level (nil: none); figures count when what was begun before has been answered.
local function set(to, why, wait)
  level, s.why, changed = to, why, true
  s.epoch = s.epoch + 1
  begin_figures(now + pace + wait)
end

-- Sums of an epoch.
local function look(workers)
  local sum = {n = 0, t = 0, base = 0, known = 0, flight = 0, wanted = 0, means = {}}
  local telling = 0
  for _, w in ipairs(workers) do
    if w.epoch == s.epoch then
      telling = telling + 1
      sum.flight, sum.wanted = sum.flight + w.flight, sum.wanted + w.wanted
    end
  end
  -- What programs of relays have under way nobody counts; each has at least a request.
  local transfers = redis.call('SCARD', key('using', registry))
  if sum.flight < transfers / 4 then
    sum.flight = transfers
  end
  for kind, n in pairs(s.n) do
    sum.means[kind] = s.t[kind] / n
    sum.n, sum.t = sum.n + n, sum.t + s.t[kind]
    if s.base[kind] then
      sum.base, sum.known = sum.base + n * s.base[kind], sum.known + s.t[kind]
    end
  end
  -- Answers in a second.
  sum.pace = s.spans > 0 and s.done * telling / s.spans or 0
  sum.mean = sum.n > 0 and sum.t / sum.n or 0
  sum.ratio = sum.base > 0 and sum.known / sum.base or 1
  sum.by = sum.n > 0 and (sum.known - sum.base) / sum.n or 0
  sum.rate = s.answers > 0 and s.failures / s.answers or 0
  -- Requests under way that came to a good end.
  sum.good = s.served / math.max(1, now - s.from)
  sum.failing = s.failures >= 3 and sum.rate >= 0.05 and sum.rate <= 0.98 and sum.rate > 2 * (s.usual or 0)
  sum.used = level and (sum.flight >= 0.8 * level or sum.wanted >= 0.9 * level or transfers >= math.floor(level + 0.5))
  return sum
end

local function learn(means, replace)
  for kind, mean in pairs(means) do
    if s.n[kind] >= 5 and (replace or not s.base[kind] or mean < s.base[kind]) then
      s.base[kind] = mean
    end
  end
end

-- What a dip tries.
local function lower()
  return level * (level <= FEW and 0.8 or 0.75)
end

local function dip(sum, to, why, seek)
  s.phase, s.seek, s.grown, s.dipped = 'dip', seek, 0, now
  s.was = {flight = sum.flight, level = level or 0, means = sum.means, mean = sum.mean, pace = sum.pace}
  set(math.max(LEAST, to), why, math.min(6, sum.mean))
end

-- It refused, or more requests fail. Where no level stood, what it served well is what it can bear. `from`: when it can
-- be asked again.
local function shrink(sum, why, from, hold)
  local old = level or math.max(6, sum.flight)
  s.was = {flight = sum.flight, level = level or 0, means = sum.means, good = sum.good, rate = sum.rate}
  s.cap, s.cap_until = math.max(LEAST, math.floor(old + 0.5) - 1), from + hold
  s.grown, s.shrinks, s.next_dip = 0, (s.shrinks or 0) + 1, from + DIP_LATE
  s.phase = 'failures'
  set(math.max(LEAST, math.min(level and old or math.max(4, sum.good), old * 0.75)), why, from - now)
end

-- A dip has ended: was as much done with fewer requests under way?
local function judge(sum)
  local was = s.was
  if sum.flight > 1.25 * level + 1 and now < s.dipped + DRAINED then
    -- What was begun before is still being answered.
    begin_figures(now)
    return
  end
  s.phase = ''
  -- Of the kinds of requests that were asked for before, too: the seconds that they took, and that they would have taken.
  local number, later_on, earlier = 0, 0, 0
  for kind, mean in pairs(sum.means) do
    if was.means[kind] then
      number, later_on, earlier = number + s.n[kind], later_on + s.n[kind] * mean, earlier + s.n[kind] * was.means[kind]
    end
  end
  local fell = earlier > 0 and later_on / earlier or 1
  -- The work of a second by what it took before, as different requests take their own time; others count as the average.
  local weight = number > 0 and was.mean > 0 and (earlier / was.mean + sum.n - number) / sum.n or 1
  local work = was.pace > 0 and sum.pace * weight / was.pace or 0
  local fewer = sum.flight <= 0.95 * was.flight and sum.flight > 0
  local useful = fewer
    -- Their number alone is enough: how long answers take tells too little while they still grow more.
    and (work >= AS_MUCH or (sum.flight / was.flight / fell >= AS_MUCH and work >= ABOUT_AS_MUCH))
  if s.seek then
    s.dips = useful and DIP_SOON / 2 or math.min(DIP_LATE, 2 * (s.dips or DIP_SOON / 2))
    s.next_dip = now + s.dips
  end
  if useful then
    learn(sum.means)
    s.shrinks = (s.shrinks or 0) + 1
    if s.seek and level > LEAST then
      dip(sum, fell <= 0.75 and level > FEW and level * 0.5 or lower(), 'slower', true)
    else
      s.why = 'slower'
      begin_figures(now)
    end
    return
  end
  if fewer then
    learn(sum.means, was.level > 0 or sum.n >= ENOUGH)
    local most = was.level > 0 and was.level or was.flight
    local best = math.max(level, math.min(most, was.flight * fell))
    if was.level == 0 and (best >= AS_MUCH * most or sum.n < ENOUGH or sum.flight / was.flight / fell >= AS_MUCH) then
      s.slow, s.tried = 0, now + (best >= AS_MUCH * most and sum.n >= ENOUGH and NO_USE or AGAIN)
      set(nil, nil, 0)
    else
      set(best, best < AS_MUCH * most and 'slower' or s.why, 0)
    end
    return
  end
  if was.level == 0 then
    s.slow, s.tried = 0, now + NO_USE / 5
    set(nil, nil, 0)
  else
    set(was.level, s.why, 0)
  end
end

local function grow(sum, workers)
  s.grown = (s.grown or 0) + 1
  local step = math.max(1, level * (s.grown < 5 and 0.1 or s.grown < 8 and 0.25 or 0.5))
  local to = level + step
  if s.cap and now < s.cap_until then
    to = math.min(to, math.max(level, s.cap))
  elseif s.cap then
    -- Beyond what it refused once: step by step.
    to, s.cap, s.grown = level + 1, nil, 1
  end
  if to == level then
    s.grown = 0
    begin_figures(now)
  elseif to >= MOST_PER_WORKER * math.max(1, #workers) then
    s.slow, s.tried, s.cap = 0, now + NO_USE, nil
    set(nil, nil, 0)
  else
    set(to, s.why, math.min(1, sum.mean))
  end
end

local function open(sum)
  if sum.failing and sum.flight >= 2 then
    shrink(sum, 'fails', now, FAILED)
    return
  end
  s.usual = sum.rate
  local clear = sum.ratio > CLEARLY_SLOWER and sum.by >= CLEARLY_BY
  local slow = sum.flight >= BUSY and (clear or sum.mean >= SLOW)
  local badly = sum.mean >= BADLY or (clear and sum.ratio > 2 * CLEARLY_SLOWER and sum.by >= BADLY / 2)
  s.slow = slow and (s.slow or 0) + (badly and 2 or clear and 1.5 or 1) or 0
  learn(sum.means)
  if s.slow >= EPOCHS and now >= (s.tried or 0) - (clear and NO_USE * 0.8 or 0) then
    local part = badly and 0.25 or clear and math.max(0.25, 1 / sum.ratio) or sum.flight >= 24 and 0.5 or 0.75
    dip(sum, sum.flight * part, 'slower', true)
  else
    begin_figures(now)
  end
end

local function after_failures(sum)
  s.phase = ''
  local was = s.was
  -- With fewer requests under way as many fail, and fewer are served: it does not come from their number.
  if sum.rate >= 0.05 and sum.rate > 0.7 * was.rate and sum.good < 0.85 * was.good then
    s.usual, s.cap = sum.rate, nil
    if was.level == 0 then
      set(nil, nil, 0)
    else
      set(was.level, s.why, 0)
    end
    return true
  end
  s.usual = math.min(s.usual or 0, sum.rate)
end

local function decide(workers)
  local sum = look(workers)
  if not level then
    open(sum)
    return
  end
  if s.phase == 'dip' and not sum.failing then
    judge(sum)
    return
  end
  if s.phase == 'failures' and after_failures(sum) then
    return
  end
  s.phase = ''
  if sum.failing then
    shrink(sum, 'fails', now, FAILED)
  elseif sum.used and sum.ratio > SLOWER and sum.by >= SLOWER_BY and level > LEAST then
    learn(sum.means)
    local to = math.min(level, sum.flight * 1.1) / sum.ratio
    dip(sum, math.max(level / 2, to), s.why or 'slower', false)
  elseif sum.used and (s.grown or 0) == 0 and now >= (s.next_dip or 0) and level > LEAST then
    learn(sum.means)
    dip(sum, lower(), s.why, true)
  else
    learn(sum.means)
    if sum.used and sum.ratio <= FLAT and sum.rate <= math.max(0.02, 2 * (s.usual or 0)) then
      grow(sum, workers)
    else
      s.grown = 0
      begin_figures(now)
    end
  end
end

-- Who would use more gets more; the shares together are the level, and at least one each.
local function share_out(workers)
  table.sort(workers, function(a, b)
    if a.wanted ~= b.wanted then
      return a.wanted < b.wanted
    end
    return a.name < b.name
  end)
  local left, busy = math.floor(level + 0.5), 0
  for _, w in ipairs(workers) do
    busy = busy + (w.wanted >= 0.05 and 1 or 0)
  end
  local idle = busy == 0
  local sharing = idle and #workers or busy
  for _, w in ipairs(workers) do
    w.share = 1
    if idle or w.wanted >= 0.05 then
      w.share = math.max(1, math.min(math.ceil(w.wanted), math.floor(left / sharing)))
      left, sharing = left - w.share, sharing - 1
    end
  end
  for i = #workers, 1, -1 do
    local w = workers[i]
    if left > 0 and (idle or w.wanted >= 0.05) then
      local part = math.ceil(left / math.max(1, idle and i or math.min(i, busy)))
      w.share, left, busy = w.share + part, left - part, busy - 1
    end
  end
  for _, w in ipairs(workers) do
    write_worker(w.name, w)
  end
end

if refused then
  local ends = tonumber(redis.call('HGET', key('pause', registry), 'until') or now)
  shrink(look(all_workers()), 'refuses', math.max(now, ends), REFUSED)
else
  local total = 0
  for _, n in pairs(s.n) do
    total = total + n
  end
  total = math.max(total, s.answers)
  local age = now - s.from
  if (age >= SOON * pace and total >= ENOUGH) or (age >= LATE * pace and total >= SOME) then
    decide(all_workers())
  end
end
if level and (changed or me.share == 0 or now - (s.shared or 0) >= 0.9 * pace) then
  local workers = all_workers()
  share_out(workers)
  s.shared = now
  me = read_worker(redis.call('HGET', crew, worker))
end
if level then
  redis.call('HSET', here, 'level', string.format('%.2f', level))
else
  redis.call('HDEL', here, 'level')
  s.shared = nil
end
redis.call('HSET', here, 'state', cjson.encode(s))
redis.call('EXPIRE', here, REMEMBERED)
redis.call('EXPIRE', crew, 3600)
local quick = level or (s.slow or 0) > 0
return {whole(s.epoch), level and string.format('%.2f', level) or '', level and tostring(me.share) or '',
  tostring(math.max(0, s.from - now)), tostring(quick and pace or 2 * pace), (s.slow or 0) > 0 and 1 or 0}
