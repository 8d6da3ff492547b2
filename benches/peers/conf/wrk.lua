-- TOKENS: a file of bearer tokens, one a line; COUNT: how many of them to use; CLOSE=1: a new connection for each request.
local requests, n = {}, 0
function init(args)
  math.randomseed(os.time())
  if os.getenv("CLOSE") == "1" then wrk.headers["Connection"] = "close" end
  for token in io.lines(os.getenv("TOKENS")) do
    if n >= tonumber(os.getenv("COUNT")) then break end
    n = n + 1
    wrk.headers["Authorization"] = "Bearer " .. token
    requests[n] = wrk.format("GET")
  end
end
function request() return requests[n == 1 and 1 or math.random(n)] end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\nJSON {"requests":%d,"us":%d,"bytes":%d,"socket_errors":%d,"refused":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
