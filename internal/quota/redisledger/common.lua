-- The books of a team's keys. Times are microseconds of Redis' own clock; scores
-- are stamps. It does what package memory does: quotatest is the contract of both.
-- Before it come the rules, as local constants.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]

-- What is kept of a key, in this order in KEYS.
local OWN, FOREIGN, FLIGHT, META, MINUTE, SEEN, TAGS, FINISH, PARTS = 1, 2, 3, 4, 5, 6, 7, 10, 12

-- Others may write into Redis, too. What is read is believed only within bounds: a number is finite, not below
-- zero, and counts as 0 otherwise; a time far ahead is none.
local MOST = 9007199254740992
local function num(v)
  local n = tonumber(v or '0') or 0
  if n ~= n or n < 0 or n > MOST then return 0 end
  return n
end
local function whole(v) return math.floor(num(v)) end

-- after is what lies further ahead than so long, as a range begins.
local function after(life) return '(' .. string.format('%.0f', now + life) end

-- RESTAMPED is how many stamps from far ahead are kept; of more, the rest is dropped.
local RESTAMPED = 10000
-- Bounds of virtual times: fractions still count, and nobody is set back for long.
local TURN_MOST, AHEAD_CALLS = 1000000000000, 16

local function touch(name, life) redis.call('PEXPIRE', name, math.ceil(life / 1000)) end

-- restamp moves the stamps of a set that lie far ahead to now, into a set.
local function restamp(set, into)
  local last = redis.call('ZRANGE', set, -1, -1, 'WITHSCORES')
  if not last[2] or tonumber(last[2]) <= now + AHEAD_MOST then return end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, after(AHEAD_MOST), '+inf', 'LIMIT', 0, RESTAMPED)) do
    redis.call('ZREM', set, id)
    redis.call('ZADD', into, now, id)
  end
  redis.call('ZREMRANGEBYSCORE', set, after(AHEAD_MOST), '+inf')
end

-- open reads a key's books, of which the first part is KEYS[base+1].
local function open(base, endpoint)
  local k = { base = base, endpoint = endpoint }
  local function part(i) return KEYS[base + i] end
  k.part = part
  redis.call('ZREMRANGEBYSCORE', part(OWN), '-inf', now - HOUR)
  redis.call('ZREMRANGEBYSCORE', part(FOREIGN), '-inf', now - HOUR)
  redis.call('ZREMRANGEBYSCORE', part(FLIGHT), '-inf', now)
  redis.call('ZREMRANGEBYSCORE', part(FLIGHT), after(AHEAD_MOST), '+inf')
  local m = redis.call('HMGET', part(META), 'limit', 'sensed', 'blocked', 'due', 'heard', 'backoff',
    'lower', 'surplus', 'higher', 'told', 'refusals', 'careful', 'ml:' .. endpoint, 'mb:' .. endpoint)
  k.limit = whole(m[1])
  if k.limit < math.min(MIN_LIMIT, HOUR_LIMIT) or k.limit > LIMIT_MOST then k.limit = HOUR_LIMIT end
  k.sensed = m[2] == '1'
  k.blocked, k.due, k.heard, k.backoff = num(m[3]), num(m[4]), num(m[5]), math.min(num(m[6]), PROBE_MOST)
  k.lower, k.surplus, k.higher, k.told, k.refusals = whole(m[7]), whole(m[8]), whole(m[9]), whole(m[10]), whole(m[11])
  k.careful = num(m[12])
  k.mlimit = m[13] and whole(m[13]) or (SEEDS[endpoint] or 0)
  k.minutes = m[13] or m[14] or SEEDS[endpoint]
  k.mblocked = num(m[14])
  if k.minutes then
    redis.call('ZREMRANGEBYSCORE', part(MINUTE), '-inf', now - HOUR / 60)
    redis.call('ZREMRANGEBYSCORE', part(MINUTE), after(AHEAD_MOST), '+inf')
  end
  -- A step back of the clock leaves times far ahead: they are not believed.
  if k.blocked > now + BLOCK_MOST then k.blocked = 0 end
  if k.mblocked > now + BLOCK_MOST then k.mblocked = 0 end
  if k.due > now + HOUR then k.due = now end
  if k.heard > now then
    k.heard = now
    redis.call('HSET', part(META), 'heard', now)
  end
  -- Stamps from before such a step become others' of now: Apple's answers tell when they are gone.
  restamp(part(OWN), part(FOREIGN))
  restamp(part(FOREIGN), part(FOREIGN))
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

local BUDGET_LIFE = 2 * HOUR + 60000000

-- budget says how much a caller has spent within the hour, and how long it takes until that is less than so much.
local function budget(name, hour)
  redis.call('ZREMRANGEBYSCORE', name, '-inf', now - HOUR)
  restamp(name, name)
  local spent = redis.call('ZCARD', name)
  if spent < hour then return spent, 0 end
  return spent, math.max(free(name, spent, HOUR, hour - 1) - now, 1)
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

local function waiting(k)
  return redis.call('ZCARD', k.part(TAGS)) + redis.call('ZCARD', k.part(TAGS + 1)) + redis.call('ZCARD', k.part(TAGS + 2))
end

-- forget drops callers that have stopped asking. Each that waits has a tag and was seen: where that does not hold,
-- somebody else wrote, and the lines begin anew.
local function forget(k)
  redis.call('ZREMRANGEBYSCORE', k.part(SEEN), after(TAG_LIFE), '+inf')
  local gone = redis.call('ZRANGEBYSCORE', k.part(SEEN), '-inf', now)
  for _, member in ipairs(gone) do
    local class = tonumber(string.match(member, '^([0-2]):'))
    if class then redis.call('ZREM', k.part(TAGS + class), string.sub(member, 3)) end
    redis.call('ZREM', k.part(SEEN), member)
  end
  if waiting(k) ~= redis.call('ZCARD', k.part(SEEN)) then
    redis.call('DEL', k.part(TAGS), k.part(TAGS + 1), k.part(TAGS + 2), k.part(SEEN))
  end
end

-- turn is a class' virtual time.
local function turn(k, class)
  local v = num(redis.call('HGET', k.part(META), 'v' .. class))
  if v > TURN_MOST then return 0 end
  return v
end

-- start is a caller's: none is further ahead of the others than one call of the least weight, and what else waits.
local function start(k, class, caller)
  local v = turn(k, class)
  return math.max(math.min(num(redis.call('ZSCORE', k.part(FINISH + class), caller)), v + AHEAD_CALLS), v)
end

local function leave(k, class, caller)
  redis.call('ZREM', k.part(TAGS + class), caller)
  redis.call('ZREM', k.part(SEEN), class .. ':' .. caller)
end
