// A server that breaks the rules: it prints what is no message, a line of any length, or dies in the
// middle of a call. Plain JSON-RPC, without the SDK, which would not let it.
import { createInterface } from "node:readline";
import { appendFileSync } from "node:fs";

const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const tool = (name, properties = {}) => ({ name, description: name,
                                           inputSchema: { type: "object", properties } });
const text = (words) => ({ content: [{ type: "text", text: words }] });

console.log("rough server, starting up...");
console.error(`my token is ${process.env.ROUGH_TOKEN}`);

const calls = {
  echo: ({ text: words }) => {
    console.log("DEBUG: got a call");
    console.log('{"level":30,"msg":"not yours"}');
    return text(words);
  },
  die: ({ file }) => {
    if (file)
      appendFileSync(file, "done\n"); // the effect, and no answer
    process.kill(process.pid, "SIGKILL");
  },
  flood: ({ bytes }) => text("x".repeat(bytes)),
  silent: () => undefined,
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "initialize")
    say({ id, result: { protocolVersion: "2025-06-18", capabilities: { tools: {} },
                        serverInfo: { name: "rough", version: "0" } } });
  else if (method === "tools/list")
    say({ id, result: { tools: [tool("echo", { text: { type: "string" } }),
                                tool("die", { file: { type: "string" } }),
                                tool("flood", { bytes: { type: "integer" } }), tool("silent")] } });
  else if (method === "tools/call") {
    const result = calls[params.name](params.arguments);
    if (result)
      say({ id, result });
  } // to what it does not know, it says nothing at all
});
