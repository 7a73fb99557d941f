// `node e2e/mock/serve.mjs`: every state of popup and options, to be looked at in any browser.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveMock } from "./server.mjs";

const { url } = await serveMock(join(dirname(fileURLToPath(import.meta.url)), "../.."), 8099);
process.stdout.write(`${url}\n`);
