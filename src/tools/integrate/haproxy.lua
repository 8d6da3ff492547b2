-- Asks postern whether a request may pass: 200 lets it, everything else is the client's answer.

local url = "{{ self.0.deployment.asked.url() }}/verdict"
local socket = {% if self.0.deployment.asked.is_unix() %}"{{ self.0.deployment.asked.haproxy() }}"{% else %}nil{% endif %}
-- Each header that postern may put into the request.
local replaced = {
{%- for header in self.0.headers %}
    '{{ header.lua() }}',
{%- endfor %}
}
-- What nobody but a proxy says.
local blanked = {
{%- for header in self.0.blanked %}
    '{{ header.lower() }}',
{%- endfor %}
}
-- Of one connection alone (RFC 9110, 7.6.1).
local of_one_hop = { "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "http2-settings" }
-- These too, or of a body that is not sent along.
local own = { "connection", "transfer-encoding", "content-length", "expect", table.unpack(of_one_hop) }

-- HAProxy's client ends the process where a question has more headers than `tune.http.maxhdr`, which is 101; it adds some.
local most = 90

-- HAProxy counts values from 0.
local function list(values)
    local all = {}
    for at = 0, #values do all[at + 1] = values[at] end
    return all
end

local function ask(txn, sent)
    local headers = {}
    for name, values in pairs(sent) do headers[name] = list(values) end
    for _, name in ipairs(own) do headers[name] = nil end
    headers["x-original-method"] = { txn.f:method() }
    headers["x-original-uri"] = { txn.f:pathq() }
    headers["x-forwarded-for"] = { txn.f:src() }
    headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    return core.httpclient():get{ url = url, dst = socket, headers = headers, timeout = 5000 }
end

local function refuse(txn, answer)
    local reply = txn:reply{ status = answer.status, reason = answer.reason, body = answer.body }
    for _, name in ipairs(own) do answer.headers[name] = nil end
    for name, values in pairs(answer.headers) do
        for _, value in ipairs(list(values)) do reply:add_header(name, value) end
    end
    txn:done(reply)
end

core.register_action("postern", { "http-req" }, function(txn)
    local sent, count = txn.http:req_get_headers(), 0
    if not sent["host"] then
        return refuse(txn, { status = 400, reason = "Bad Request", headers = {}, body = "" })
    end
    for _, values in pairs(sent) do count = count + #list(values) end
    if count > most then
        return refuse(txn, { status = 431, reason = "Request Header Fields Too Large", headers = {}, body = "" })
    end
    -- Of upgrades a WebSocket alone goes on.
    local upgrade = list(sent["upgrade"] or {})
    local is_websocket = #upgrade == 1 and upgrade[1]:lower() == "websocket"
    if not is_websocket then
        sent["upgrade"] = nil
        txn.http:req_del_header("upgrade")
    end
    local asked, answer = pcall(ask, txn, sent)
    if not asked or not answer or not answer.headers or (answer.status or 0) < 200 then
        answer = { status = 503, reason = "Service Unavailable", headers = {}, body = "" }
    end
    if answer.status ~= 200 then return refuse(txn, answer) end
    -- What `Connection` names would be taken away behind us: nothing but an upgrade is left of it.
    txn.http:req_del_header("connection")
    if is_websocket then txn.http:req_add_header("connection", "upgrade") end
    for _, name in ipairs(of_one_hop) do txn.http:req_del_header(name) end
    for _, names in ipairs(list(answer.headers["x-postern-remove"] or {})) do
        for name in names:gmatch("[^,]+") do txn.http:req_del_header(name) end
    end
    for _, name in ipairs(blanked) do txn.http:req_del_header(name) end
    for _, name in ipairs(replaced) do
        local told = answer.headers[name]
        if told then txn.http:req_set_header(name, told[0]) end
    end
    txn.http:req_set_header("x-forwarded-for", txn.f:src())
    txn.http:req_set_header("x-forwarded-proto", txn.f:ssl_fc() == 1 and "https" or "http")
end)
