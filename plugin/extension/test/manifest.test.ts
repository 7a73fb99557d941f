import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(process.cwd(), "public/manifest.json"), "utf8"));

test("asks for no more than it uses", () => {
  assert.deepEqual(manifest["permissions"], ["offscreen", "storage", "alarms", "idle", "notifications"]);
  for (const key of ["host_permissions", "content_scripts", "externally_connectable", "web_accessible_resources"]) {
    assert.equal(key in manifest, false, key);
  }
});
