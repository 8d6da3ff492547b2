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
-- Of one connection alone (RFC 9110, 7.6.1), or of a body that is not sent along.
local own = {
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "content-length", "expect",
}

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
    local sent = txn.http:req_get_headers()
    local asked, answer = pcall(ask, txn, sent)
    if not asked or not answer or not answer.headers or (answer.status or 0) < 200 then
        answer = { status = 503, reason = "Service Unavailable", headers = {}, body = "" }
    end
    if answer.status ~= 200 then return refuse(txn, answer) end
    -- What `Connection` names would be taken away behind us: nothing but an upgrade is left of it.
    txn.http:req_del_header("connection")
    if sent["upgrade"] then txn.http:req_add_header("connection", "upgrade") end
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
