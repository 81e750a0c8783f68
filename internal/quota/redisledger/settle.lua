-- ARGV: id, endpoint, sent, stamp, writes, status, hour limit, hour remaining, minute limit, minute remaining
-- (limits below zero: not told), Retry-After (below zero: not told). It answers {limit, used, others' found now}.
local id, endpoint, sent, stamp = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local writes, status = tonumber(ARGV[5]), tonumber(ARGV[6])
local hourLimit, hourRemaining = tonumber(ARGV[7]), tonumber(ARGV[8])
local minuteLimit, minuteRemaining, retryAfter = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

local k = open(0, endpoint)
local meta = k.part(META)
local found = 0
redis.call('ZREM', k.part(FLIGHT), id)

-- put stamps what was written.
local function put(name, at, n)
  redis.call('ZREM', name, id)
  redis.call('ZREM', k.part(FOREIGN), id) -- after a step of the clock
  for i = 1, n do
    redis.call('ZADD', name, at, i == 1 and id or id .. ':' .. i)
  end
end
local sets = { k.part(OWN) }
if k.minutes then sets[2] = k.part(MINUTE) end
local purse = KEYS[PARTS + 1] -- of the caller's budget; nil: it has none
if purse then sets[#sets + 1] = purse end
for _, name in ipairs(sets) do
  if status > 0 then -- it has arrived by now
    put(name, now, math.max(writes, 1))
  elseif writes == 0 then -- it was never sent
    put(name, now, 0)
  else -- it may have arrived as late as its stamp
    put(name, stamp, writes)
  end
end
k.own = redis.call('ZCARD', k.part(OWN))
k.foreign = redis.call('ZCARD', k.part(FOREIGN))

local function set(name, value)
  k[name] = value
  redis.call('HSET', meta, name, value)
end

local function adopt(limit)
  limit = math.min(limit, LIMIT_MOST)
  if limit < k.limit or not k.sensed then
    set('limit', limit)
    set('higher', 0)
  elseif limit == k.limit then
    if k.higher > 0 then set('higher', 0) end
  elseif limit ~= k.told then
    set('told', limit)
    set('higher', 1)
  elseif k.higher + 1 >= AGREEING then
    set('limit', limit)
    set('higher', 0)
  else
    set('higher', k.higher + 1)
  end
end

local function compare(apple)
  if apple > used(k) then
    found = apple - used(k)
    phantom(k, found)
    set('lower', 0)
    return
  end
  if k.foreign == 0 then return end
  local from = now - HOUR + SLACK
  local certain = redis.call('ZCOUNT', k.part(OWN), from, sent) + redis.call('ZCOUNT', k.part(FOREIGN), from, sent)
  if apple >= certain - 1 then
    if k.lower > 0 then set('lower', 0) end
    return
  end
  set('lower', k.lower + 1)
  if k.lower == 1 or certain - apple < k.surplus then set('surplus', certain - apple) end
  if k.lower >= AGREEING then
    redis.call('ZPOPMIN', k.part(FOREIGN), k.surplus)
    k.foreign = redis.call('ZCARD', k.part(FOREIGN))
    set('lower', 0)
  end
end

local function refused()
  local wait = retryAfter
  if wait < 0 then wait = PROBE_EVERY * 2 ^ math.min(k.refusals, 10) end
  set('refusals', k.refusals + 1)
  local til = now + math.min(math.max(wait, BLOCK_LEAST), BLOCK_MOST)
  if minuteLimit > 0 and minuteRemaining == 0 and not (hourLimit > 0 and hourRemaining == 0) or hourLimit > 0 and hourRemaining > 0 then
    redis.call('HSET', meta, 'mb:' .. endpoint, math.max(k.mblocked, til))
    if k.mlimit > 0 and minuteLimit < 0 then
      redis.call('HSET', meta, 'ml:' .. endpoint, math.max(k.mlimit - math.floor(k.mlimit / 20) - 1, 1))
    end
    return
  end
  set('blocked', math.max(k.blocked, til))
  set('careful', 1)
end

if status > 0 then
  if hourLimit >= MIN_LIMIT then
    adopt(hourLimit)
    set('heard', now)
    if hourRemaining > 0 and k.backoff > 0 then set('backoff', 0) end
    compare(hourLimit - hourRemaining)
  end
  if minuteLimit > 0 then
    if not k.minutes then redis.call('ZADD', k.part(MINUTE), now, id) end
    if minuteLimit ~= k.mlimit then redis.call('HSET', meta, 'ml:' .. endpoint, math.max(minuteLimit, 1)) end
    local more = minuteLimit - minuteRemaining - redis.call('ZCARD', k.part(MINUTE))
    for i = 1, math.min(more, 5000) do
      redis.call('ZADD', k.part(MINUTE), now, 'f' .. id .. ':' .. i)
    end
  end
  if not k.sensed then redis.call('HSET', meta, 'sensed', '1', 'limit', k.limit) end
  if status == 429 then
    refused()
  elseif k.refusals > 0 or k.careful == 1 then
    set('refusals', 0)
    set('careful', 0)
  end
end
keep(k)
if purse then touch(purse, BUDGET_LIFE) end
return { k.limit, used(k), found }
