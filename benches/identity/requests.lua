-- REQUESTS: a file of requests, one a line: method, target and body, a tab between them; TOKEN: who sends them.
local requests = {}
function init()
  math.randomseed(1)
  for line in io.lines(os.getenv("REQUESTS")) do
    local method, target, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = { ["Authorization"] = "Bearer " .. os.getenv("TOKEN") }
    if body ~= "" then headers["Content-Type"] = "application/json" end
    requests[#requests + 1] = wrk.format(method, target, headers, body ~= "" and body or nil)
  end
end
function request() return requests[math.random(#requests)] end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\nJSON {"requests":%d,"us":%d,"bytes":%d,"wrong":%d,"p50_us":%d,"p99_us":%d}\n', summary.requests,
    summary.duration, summary.bytes, e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50), latency:percentile(99)))
end
