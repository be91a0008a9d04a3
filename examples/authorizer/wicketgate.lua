-- Asks Wicketgate about each request that `http-request lua.wicketgate` is said of: what may pass goes on with the headers of
-- the gate, and what may not is answered as the gate answers. HAProxy goes on with its rules when a script breaks off, as this
-- one does when its question does not fit into `tune.bufsize`. So what may pass is marked at the very end, in the variable
-- `txn.wicketgate`, and the rule after `lua.wicketgate` must turn away whatever has no mark.
--
-- WICKETGATE_URL is the URL of the gate's listener, the file WICKETGATE_SECRET_FILE has the secret in its first line.

local url = assert(os.getenv("WICKETGATE_URL"))
local file = assert(io.open(os.getenv("WICKETGATE_SECRET_FILE"), "r"))
local secret = file:read("l")
file:close()

-- What the gate says of a client, and the application is to hear: the headers of the upstream in the gate's configuration.
local TOLD = { "remote-user", "remote-email", "remote-name", "remote-groups", "x-client-verify" }
-- What a client is to see of an answer that turns it away.
local SHOWN = { "content-type", "content-language", "www-authenticate", "location", "retry-after", "cache-control",
                "content-security-policy", "x-request-id" }
-- What of the client's own request the gate must see.
local ASKED = { "authorization", "cookie", "accept" }

local function first(values)
    for _, value in pairs(values or {}) do
        return value
    end
end

core.register_action("wicketgate", { "http-req" }, function(txn)
    local question = {
        ["x-wicketgate-front"] = { secret },
        ["x-original-method"] = { txn.sf:method() },
        ["x-original-host"] = { txn.sf:req_fhdr("host") },
        ["x-original-uri"] = { txn.sf:pathq() },
        ["x-forwarded-for"] = { txn.sf:src() },
        ["x-ssl-client-der"] = { txn:get_var("txn.client_der") or "" },
        ["x-ssl-client-chain-der"] = { txn:get_var("txn.client_chain_der") or "" },
    }
    for _, name in ipairs(ASKED) do
        local value = txn.sf:req_fhdr(name)
        if value ~= "" then
            question[name] = { value }
        end
    end
    local answer = core.httpclient():get({ url = url, headers = question, timeout = 5000 })
    if not answer or not answer.status or answer.status < 200 then
        txn:done(txn:reply({ status = 503 }))
        return
    end
    if answer.status ~= 200 then
        local reply = txn:reply({ status = answer.status, body = answer.body })
        for _, name in ipairs(SHOWN) do
            for _, value in pairs(answer.headers[name] or {}) do
                reply:add_header(name, value)
            end
        end
        txn:done(reply)
        return
    end
    for _, name in ipairs(TOLD) do
        txn.http:req_del_header(name)
        local value = first(answer.headers[name])
        if value and value ~= "" then
            txn.http:req_set_header(name, value)
        end
    end
    txn:set_var("txn.wicketgate", "passed")
end)
