-- ARGV: id, endpoint, caller, class, weight, attempt, the caller's budget (0: none), then the ranks of the keys.
-- KEYS: the parts of each key, then the requests of the budget, if there is one.
-- It answers {1, key, now, stamp, limit, used}, {0, wait, each, first} or, if the budget is spent, {2, wait, 0, 0}.
local id, endpoint, caller = ARGV[1], ARGV[2], ARGV[3]
local class, weight, attempt, hour = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local purse = hour > 0 and KEYS[#KEYS]
if purse then
  local _, wait = budget(purse, hour)
  if wait > 0 then return { 2, wait, 0, 0 } end
end

local function reserve(k) return math.ceil(k.limit / RESERVE_SHARE) end

-- mayProbe says from when on a request may go although the books are full, and whether there is doubt.
local function mayProbe(k)
  if k.foreign == 0 then return nil end
  if used(k) < k.limit - math.floor(reserve(k) / 2) then return k.heard + PROBE_EVERY end
  if k.own > k.foreign or k.own > 0 and free(k.part(OWN), k.own, HOUR, k.own - 1) < now + HOUR / 60 then return nil end
  return k.heard + math.max(k.backoff, PROBE_FIRST), true
end

-- since is from when on the class has waited.
local function since(k)
  local s = num(redis.call('HGET', k.part(META), 's' .. class))
  if s > now then
    s = now
    redis.call('HSET', k.part(META), 's' .. class, now)
  end
  return s
end

-- may says whether a request may go; else when to ask again, and why not.
local function may(k)
  if now < k.blocked then return nil, k.blocked, 'blocked' end
  if (not k.sensed or k.careful == 1) and k.flight > 0 then return nil, now + FIRST_POLL, 'first' end
  if now < k.mblocked then return nil, k.mblocked, 'endpoint' end
  if k.mlimit > 0 then
    local card = redis.call('ZCARD', k.part(MINUTE))
    if card >= k.mlimit then return nil, free(k.part(MINUTE), card, HOUR / 60, k.mlimit - 1), 'endpoint' end
  end
  k.aged = class > 0 and redis.call('ZCARD', k.part(TAGS + class)) > 0 and now - since(k) >= AGING_AFTER
  local paced = class ~= 0 and not k.aged
  local most = k.limit
  if paced then most = most - reserve(k) end
  if used(k) >= math.max(most, 1) then
    local probe, doubt = mayProbe(k)
    if probe and probe <= now then return { probe = true, doubt = doubt } end
    local n, at = used(k) - most + 1, nil
    if k.own >= n then at = free(k.part(OWN), k.own, HOUR, k.own - n) end
    if k.foreign >= n then
      local other = free(k.part(FOREIGN), k.foreign, HOUR, k.foreign - n)
      if not at or other < at then at = other end
    end
    at = at or now + HOUR / 3600
    if probe then at = math.min(at, probe) end
    return nil, at, 'hour'
  end
  local early = k.due - pace(k) * math.max(math.floor(k.limit / BURST_SHARE), BURST_LEAST)
  if paced and now < early then return nil, early, 'pace' end
  return {}
end

local function isTurn(k)
  forget(k)
  for c = 0, class - 1 do
    if not k.aged and redis.call('ZCARD', k.part(TAGS + c)) > 0 then return false end
  end
  local mine = start(k, class, caller)
  local lowest = redis.call('ZRANGE', k.part(TAGS + class), 0, 1, 'WITHSCORES')
  local at = lowest[1] == caller and 4 or 2
  return not lowest[at] or mine <= tonumber(lowest[at]) + 1
end

local function enter(k)
  if redis.call('ZCARD', k.part(TAGS + class)) == 0 then redis.call('HSET', k.part(META), 's' .. class, now) end
  local mine, before = start(k, class, caller), 0
  redis.call('ZADD', k.part(TAGS + class), mine, caller)
  redis.call('ZADD', k.part(SEEN), now + TAG_LIFE, class .. ':' .. caller)
  touch(k.part(TAGS + class), 60000000)
  touch(k.part(SEEN), 60000000)
  for c = 0, class - 1 do
    before = before + redis.call('ZCARD', k.part(TAGS + c))
  end
  return before + (redis.call('ZRANK', k.part(TAGS + class), caller) or 0)
end

local function charge(k, v)
  local stamp = now + math.min(attempt, AHEAD_MOST)
  local begin = start(k, class, caller)
  local virtual, lowest = begin, redis.call('ZRANGE', k.part(TAGS + class), 0, 0, 'WITHSCORES')
  if lowest[2] then virtual = math.min(virtual, tonumber(lowest[2])) end
  virtual = math.max(virtual, turn(k, class))
  redis.call('HSET', k.part(META), 'v' .. class, virtual, 's' .. class, now)
  redis.call('ZREMRANGEBYSCORE', k.part(FINISH + class), '-inf', virtual)
  redis.call('ZADD', k.part(FINISH + class), begin + 1 / weight, caller)
  redis.call('ZADD', k.part(OWN), stamp, id)
  redis.call('ZADD', k.part(FLIGHT), stamp, id)
  if k.minutes then redis.call('ZADD', k.part(MINUTE), stamp, id) end
  if purse then
    redis.call('ZADD', purse, stamp, id)
    touch(purse, BUDGET_LIFE)
  end
  redis.call('HSET', k.part(META), 'due', math.max(k.due, now) + pace(k))
  if v.probe then
    redis.call('HSET', k.part(META), 'heard', now)
    if v.doubt then
      redis.call('HSET', k.part(META), 'backoff', math.min(2 * math.max(k.backoff, PROBE_FIRST), PROBE_MOST))
    end
  end
  keep(k)
  return stamp
end

local keys = {}
for i = 1, math.floor(#KEYS / PARTS) do
  local k = open((i - 1) * PARTS, endpoint)
  k.index, k.rank = i, tonumber(ARGV[7 + i])
  keys[i] = k
end
table.sort(keys, function(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  local ra, rb = a.limit - used(a), b.limit - used(b)
  if ra ~= rb then return ra > rb end
  return a.index < b.index
end)
local wait, each, first = nil, 0, 0
for _, k in ipairs(keys) do
  local v, at, why = may(k)
  if v and isTurn(k) then
    for _, other in ipairs(keys) do leave(other, class, caller) end
    local stamp = charge(k, v)
    return { 1, k.index, now, stamp, k.limit, used(k) + 1 }
  end
  local before = 0
  if why ~= 'endpoint' then
    forget(k)
    before = enter(k)
  end
  if why == 'first' then first = 1 end
  local w = math.max((at or now) - now, 0) + before * pace(k)
  if not wait or w < wait then
    local n = 0
    for c = 0, class do n = n + redis.call('ZCARD', k.part(TAGS + c)) end
    wait, each = w, pace(k) * math.max(n, 1)
  end
end
return { 0, wait, each, first }
