-- Sends the requests of a file in turn and ends with one line of JSON.
-- Each line of the file is: path, host and cookie, separated by tabs.

local prepared = {}
local at = 0

function init(args)
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
    at = at % #prepared + 1
    return prepared[at]
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
