-- The generic cell rate algorithm over one number: when the whole quota is free again, in microseconds of Redis's clock.
-- KEYS[1] the number; ARGV[1] the interval and ARGV[2] the reach, both in microseconds. Answers {passes, microseconds}: until
-- the whole quota is free, or until a request passes.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, reach = tonumber(ARGV[1]), tonumber(ARGV[2])
-- What is not a number, or of another type, is written over. What lies further ahead than it can be is from before the
-- clock was set back, or somebody else's: it counts as far as it can be, from now on.
local kept = redis.pcall('GET', KEYS[1])
local free = type(kept) == 'string' and tonumber(kept) or 0
if free ~= free or free > now + reach then
    free = now + reach
    redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil(reach / 1000) + 1)
end
local next = math.max(free, now) + interval
local ahead = next - now
if ahead > reach then return {0, math.ceil(ahead - reach)} end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil(ahead / 1000) + 1)
return {1, math.ceil(ahead)}
