-- Sends the requests of a file in turn and ends with one line of JSON.
-- Each line of the file is: path, host and cookie, separated by tabs. A second argument says how many requests were sent
-- before, so that one run goes on where another ended. A third is the number of addresses that the requests come from, as
-- a proxy in front would tell them.

local prepared = {}
local at
local addresses

function init(args)
    at = tonumber(args[2])
    addresses = tonumber(args[3])
    for line in io.lines(args[1]) do
        local path, host, cookie = line:match("([^\t]*)\t([^\t]*)\t([^\t]*)")
        prepared[#prepared + 1] = wrk.format("GET", path, {
            ["Host"] = host,
            ["Cookie"] = cookie,
            ["Accept"] = "application/json",
            ["Accept-Language"] = "en",
            ["User-Agent"] = "cedargate-bench",
        })
    end
end

function request()
    at = at + 1
    local next = prepared[at % #prepared + 1]
    if not addresses then
        return next
    end
    -- Behind the request line, where any field may stand.
    local n = at % addresses
    local address = string.format("10.%d.%d.%d", n / 65536 % 256, n / 256 % 256, n % 256)
    return (next:gsub("\r\n", "\r\nX-Forwarded-For: " .. address .. "\r\n", 1))
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
