import assert from "node:assert/strict";
import test from "node:test";
import { STATES, TROUBLES } from "../e2e/mock/states";
import type { Running, View } from "../src/messages";
import { DEBT, HANDED_BACK, IDLE, KIND, PENALTY, REPAY_ADDRESS, RESULT, STAGE, STANDING, stateOf, STEPS, TROUBLE, troubleLine } from "../src/ui/words";
import { OPTIONS_LINK } from "../src/ui/links";

const NOW = 1_700_000_000_000;
const view = (name: string): View => {
  const make = STATES[name];
  assert.ok(make, name);
  return make(NOW);
};

function isSentence(text: string, what: string): void {
  assert.match(text, /^[A-Z].*[.!]$/s, what);
  assert.ok(text.length > 20 && text.length < 420, `${what}: ${text.length} characters`);
  assert.doesNotMatch(text, /undefined|null|NaN|\bTODO\b/, what);
}

test("every idle reason has a headline and a sentence of its own", () => {
  const seen = new Set<string>();
  for (const [reason, said] of Object.entries(IDLE)) {
    isSentence(said.text, reason);
    assert.ok(said.headline.length > 3 && said.headline.length < 32, reason);
    assert.ok(!seen.has(said.headline), reason);
    seen.add(said.headline);
  }
});

test("an idle reason that the user can end has a button", () => {
  for (const reason of ["no-wallet", "locked", "paused", "outside-hours", "on-battery", "machine-in-use", "data-limit", "memory-limit", "no-node", "suspended"] as const) {
    assert.ok(IDLE[reason].action, reason);
  }
});

test("every trouble says what happened, what it means for the money and what to do", () => {
  for (const code of TROUBLES) {
    const words = TROUBLE[code];
    for (const part of ["text", "money", "help"] as const) isSentence(words[part], `${code}.${part}`);
    assert.ok(words.title.length > 3 && !words.title.endsWith("."), code);
    assert.ok(troubleLine({ code, detail: "", at_ms: 0 }).startsWith(words.title));
  }
});

test("every action of a trouble leads somewhere", () => {
  for (const code of TROUBLES) {
    const action = TROUBLE[code].action;
    if (action !== null) assert.match(OPTIONS_LINK[action.does] ?? "", /^options\.html#\w+$/, code);
  }
});

test("every penalty and every hand-back has its reason in words", () => {
  for (const [reason, text] of [...Object.entries(PENALTY), ...Object.entries(HANDED_BACK)]) isSentence(text, reason);
  assert.match(PENALTY["timed-out"], /deadline/);
  assert.match(PENALTY["handed-back"], /quarter/);
  isSentence(DEBT, "debt");
});

test("every stage belongs to exactly one step", () => {
  for (const stage of Object.keys(STAGE) as Running["stage"][]) {
    assert.equal(STEPS.filter((step) => step.stages.includes(stage)).length, 1, stage);
  }
});

test("kinds, results and standings are all named", () => {
  for (const table of [KIND, RESULT, STANDING]) for (const [key, text] of Object.entries(table)) assert.ok(text.length > 3, key);
});

test("the headline follows the view", () => {
  assert.equal(stateOf(null).headline, "Starting");
  assert.equal(stateOf(view("proving")).headline, "Proving");
  assert.match(stateOf(view("proving")).text, /One more task waits for its turn\.$/);
  assert.match(stateOf(view("proving-late")).text, /3 more tasks wait for their turn\.$/);
  assert.equal(stateOf(view("pausing")).headline, "Finishing, then paused");
  assert.equal(stateOf(view("submitted")).headline, "Proof submitted");
  assert.equal(stateOf(view("proving-first")).headline, "Proving the trial");
  for (const name of Object.keys(STATES)) isSentence(stateOf(view(name)).text, name);
});

test("the repayment account is the fourth system account", () => {
  assert.match(REPAY_ADDRESS, /^0xc0f01d0{33}4$/);
});
