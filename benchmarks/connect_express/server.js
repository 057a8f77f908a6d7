// The yardstick: Atlassian's own framework for Connect apps. It authenticates the webhook and throws the event away.
// BENCH_STORE=default is the store that it comes with (Sequelize over SQLite in memory); BENCH_STORE=map replaces it by
// a bare map, which no real installation can use: it shows how much of its time goes into looking up the tenant.
const express = require("express");
const connect = require("atlassian-connect-express");

const tenant = JSON.parse(process.env.BENCH_TENANT);
const stores = { default: { adapter: "sequelize", type: "memory", logging: false }, map: { adapter: "map" } };
connect.store.register("map", () => ({
  get: async (key, clientKey) => (clientKey === tenant.clientKey ? tenant : null),
  set: async (key, value) => value,
  del: async () => undefined,
}));

const app = express();
const addon = connect(app, {
  config: {
    environment: "production",
    production: {
      port: Number(process.env.PORT),
      localBaseUrl: process.env.BENCH_BASE_URL,
      store: stores[process.env.BENCH_STORE],
      whitelist: ["*.atlassian.net"],
    },
  },
});
app.use(express.json({ limit: "1mb" }));
app.post("/jira/webhooks", addon.authenticate(), (request, response) => response.sendStatus(204));
app.get("/readyz", async (request, response) => {
  await addon.settings.set("clientInfo", tenant, tenant.clientKey);
  response.sendStatus(200);
});
app.listen(Number(process.env.PORT), "127.0.0.1");
