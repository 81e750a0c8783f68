-- The books of a team's keys. Times are microseconds of Redis' own clock; scores
-- are stamps. It does what package memory does: quotatest is the contract of both.
-- Before it come the rules, as local constants.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]

-- What is kept of a key, in this order in KEYS.
local OWN, FOREIGN, FLIGHT, META, MINUTE, SEEN, TAGS, FINISH, PARTS = 1, 2, 3, 4, 5, 6, 7, 10, 12

local function num(v) return tonumber(v or '0') or 0 end

local function touch(name, life) redis.call('PEXPIRE', name, math.ceil(life / 1000)) end

-- open reads a key's books, of which the first part is KEYS[base+1].
local function open(base, endpoint)
  local k = { base = base, endpoint = endpoint }
  local function part(i) return KEYS[base + i] end
  k.part = part
  redis.call('ZREMRANGEBYSCORE', part(OWN), '-inf', now - HOUR)
  redis.call('ZREMRANGEBYSCORE', part(FOREIGN), '-inf', now - HOUR)
  redis.call('ZREMRANGEBYSCORE', part(FLIGHT), '-inf', now)
  local m = redis.call('HMGET', part(META), 'limit', 'sensed', 'blocked', 'due', 'heard', 'backoff',
    'lower', 'surplus', 'higher', 'told', 'refusals', 'careful', 'ml:' .. endpoint, 'mb:' .. endpoint)
  k.limit = m[1] and num(m[1]) or HOUR_LIMIT
  k.sensed = m[2] == '1'
  k.blocked, k.due, k.heard, k.backoff = num(m[3]), num(m[4]), num(m[5]), num(m[6])
  k.lower, k.surplus, k.higher, k.told, k.refusals = num(m[7]), num(m[8]), num(m[9]), num(m[10]), num(m[11])
  k.careful = num(m[12])
  k.mlimit = m[13] and num(m[13]) or (SEEDS[endpoint] or 0)
  k.minutes = m[13] or m[14] or SEEDS[endpoint]
  k.mblocked = num(m[14])
  if k.minutes then redis.call('ZREMRANGEBYSCORE', part(MINUTE), '-inf', now - HOUR / 60) end
  -- A step back of the clock leaves times far ahead: they are not believed.
  if k.blocked > now + BLOCK_MOST then k.blocked = 0 end
  if k.mblocked > now + BLOCK_MOST then k.mblocked = 0 end
  if k.due > now + HOUR then k.due = now end
  if k.heard > now then k.heard = now end
  local last = redis.call('ZRANGE', part(OWN), -1, -1, 'WITHSCORES')
  if last[2] and tonumber(last[2]) > now + AHEAD_MOST then
    -- Own stamps from before such a step become others': Apple's answers tell when they are gone.
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', part(OWN), now + AHEAD_MOST, '+inf')) do
      redis.call('ZREM', part(OWN), id)
      redis.call('ZADD', part(FOREIGN), now, id)
    end
    last = redis.call('ZRANGE', part(FOREIGN), -1, -1, 'WITHSCORES')
  end
  k.own = redis.call('ZCARD', part(OWN))
  k.foreign = redis.call('ZCARD', part(FOREIGN))
  k.flight = redis.call('ZCARD', part(FLIGHT))
  return k
end

local function used(k) return k.own + k.foreign end
local function pace(k) return HOUR / k.limit end

-- free is when at most n of a set's members will count.
local function free(name, card, span, n)
  if card <= n then return now end
  local at = redis.call('ZRANGE', name, card - n - 1, card - n - 1, 'WITHSCORES')
  return at[2] and tonumber(at[2]) + span or now
end

-- phantom stamps n requests of others.
local function phantom(k, n)
  local args, seq = {}, redis.call('HINCRBY', k.part(META), 'seq', 1)
  n = math.min(n, 20000)
  for i = 1, n do
    args[#args + 1] = now
    args[#args + 1] = 'f' .. seq .. ':' .. i
    if #args >= 2000 or i == n then
      redis.call('ZADD', k.part(FOREIGN), unpack(args))
      args = {}
    end
  end
  k.foreign = k.foreign + n
end

local function keep(k)
  local life = 2 * HOUR + 60000000
  touch(k.part(OWN), life)
  touch(k.part(FOREIGN), life)
  touch(k.part(META), life)
  touch(k.part(FLIGHT), life)
  touch(k.part(MINUTE), HOUR / 60 + AHEAD_MOST + 60000000)
  for i = 0, 2 do
    touch(k.part(FINISH + i), life)
  end
end

-- forget drops callers that have stopped asking.
local function forget(k)
  local gone = redis.call('ZRANGEBYSCORE', k.part(SEEN), '-inf', now)
  for _, member in ipairs(gone) do
    redis.call('ZREM', k.part(TAGS + tonumber(string.sub(member, 1, 1))), string.sub(member, 3))
    redis.call('ZREM', k.part(SEEN), member)
  end
end

local function start(k, class, caller)
  return math.max(num(redis.call('ZSCORE', k.part(FINISH + class), caller)), num(redis.call('HGET', k.part(META), 'v' .. class)))
end

local function leave(k, class, caller)
  redis.call('ZREM', k.part(TAGS + class), caller)
  redis.call('ZREM', k.part(SEEN), class .. ':' .. caller)
end
