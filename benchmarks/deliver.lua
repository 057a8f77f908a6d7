-- One signed webhook, over and over, each with an identifier of its own, as Jira sends them.
local token = os.getenv("BENCH_TOKEN")
local file = io.open(os.getenv("BENCH_BODY"), "rb")
local body = file:read("*a")
file:close()
local count = 0
local run = os.getenv("BENCH_RUN")

function request()
  count = count + 1
  return wrk.format("POST", "/jira/webhooks", {
    ["Authorization"] = "JWT " .. token,
    ["Content-Type"] = "application/json",
    ["X-Atlassian-Webhook-Identifier"] = run .. "-" .. count,
  }, body)
end
