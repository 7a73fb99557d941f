/** Version, chain, privacy. */
import type { JSX } from "preact";
import type { View } from "../messages";
import { shortHex } from "../ui/format";
import { CopyButton } from "../ui/parts";
import { Section } from "./save";

export function About(props: { chain: View["chain"] }): JSX.Element {
  return (
    <Section id="about" title="About">
      <dl class="pairs">
        <div><dt>Version</dt><dd data-testid="version">{version()}</dd></div>
        {props.chain !== null && <div><dt>Chain</dt><dd>{props.chain.id}</dd></div>}
        {props.chain !== null && (
          <div><dt>Genesis</dt><dd class="hash"><code class="mono" title={props.chain.genesis}>{shortHex(props.chain.genesis)}</code><CopyButton text={props.chain.genesis} what="genesis hash" /></dd></div>
        )}
      </dl>
      <h3>Privacy</h3>
      <ul class="points">
        <li>The extension talks to the nodes in your list and to nobody else: no analytics, no accounts, no third parties.</li>
        <li>A node sees your network address, your wallet’s address, when you are active, and your proofs. Address, proofs, rewards and penalties are public on the chain.</li>
        <li>It has no access to the pages that you visit.</li>
        <li>The secret key is stored encrypted with your passphrase. While the wallet is unlocked the key is in the browser’s memory only.</li>
      </ul>
    </Section>
  );
}

function version(): string {
  return chrome.runtime.getManifest().version;
}
