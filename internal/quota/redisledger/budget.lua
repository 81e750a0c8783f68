-- ARGV: a budget. It answers {spent, wait}.
return { budget(KEYS[1], tonumber(ARGV[1])) }
