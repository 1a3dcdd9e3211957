// A server of the newer era (2026-07-28), on the protocol's own SDK: the servers of npm still speak
// the older one. `node modern_server.mjs` speaks on stdio, `node modern_server.mjs http` on a port of
// its own, which it prints. MODERN_SERVER_STRICT=1: it refuses the older era.
import { createServer } from "node:http";
import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

const legacy = process.env.MODERN_SERVER_STRICT ? "reject" : undefined;
let late = false; // whether the second tool is there
let aborted = 0;

const schema = (properties, required = Object.keys(properties)) =>
  fromJsonSchema({ type: "object", properties, required });

function build() {
  const server = new McpServer({ name: "modern", version: "1.0.0" },
                               { capabilities: { tools: { listChanged: true } } });
  server.registerTool("add", {
    description: "adds two numbers",
    inputSchema: schema({ a: { type: "integer" }, b: { type: "integer" } }),
    outputSchema: schema({ sum: { type: "integer" } }),
    annotations: { readOnlyHint: true },
  }, async ({ a, b }) => ({
    content: [{ type: "text", text: String(a + b) }],
    structuredContent: { sum: a + b },
  }));
  server.registerTool("region", {
    description: "says where, and wants it in a header too",
    inputSchema: schema({ where: { type: "string", "x-mcp-header": "Region" } }),
  }, async ({ where }) => ({ content: [{ type: "text", text: `in ${where}` }] }));
  server.registerTool("slow", {
    description: "reports progress until it is done or aborted",
    inputSchema: schema({ steps: { type: "integer" } }),
  }, async ({ steps }, ctx) => {
    const token = ctx.mcpReq?._meta?.progressToken;
    for (let i = 1; i <= steps; ++i) {
      await new Promise((wake) => setTimeout(wake, 200));
      if (ctx.mcpReq?.signal?.aborted) {
        ++aborted;
        throw new Error("aborted");
      }
      if (token !== undefined)
        await ctx.mcpReq.notify({ method: "notifications/progress",
                                  params: { progressToken: token, progress: i, total: steps } });
    }
    return { content: [{ type: "text", text: `${steps} steps` }] };
  });
  server.registerTool("aborted", { description: "how many calls were aborted",
                                   inputSchema: schema({}) },
                      async () => ({ content: [{ type: "text", text: String(aborted) }] }));
  const add = () =>
    server.registerTool("late", { description: "came later", inputSchema: schema({}) },
                        async () => ({ content: [{ type: "text", text: "here" }] }));
  server.registerTool("grow", { description: "adds a tool", inputSchema: schema({}) }, async () => {
    late = true;
    setTimeout(() => (changed ? changed() : add()), 50); // the SDK tells of it
    return { content: [{ type: "text", text: "grown" }] };
  });
  if (late)
    add();
  return server;
}

let changed; // over HTTP, where each request has a server of its own

if (process.argv[2] === "http") {
  const handler = createMcpHandler(() => build(), { legacy });
  changed = () => handler.notify.toolsChanged();
  const http = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request)
      parts.push(part);
    const stop = new AbortController();
    response.on("close", () => stop.abort());
    const body = parts.length ? Buffer.concat(parts) : undefined;
    const answer = await handler.fetch(new Request(`http://127.0.0.1${request.url}`, {
      method: request.method, headers: request.headers, body, signal: stop.signal,
    })).catch(() => undefined);
    if (!answer)
      return response.destroy();
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.flushHeaders();
    try {
      for await (const part of answer.body ?? [])
        response.write(part);
    } catch {} // it went away
    response.end();
  });
  http.listen(0, "127.0.0.1", () => console.log(`port ${http.address().port}`));
} else {
  serveStdio(() => build(), { legacy });
}
