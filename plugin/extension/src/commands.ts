/**
 * What the user orders: each command is done whole before the next one begins.
 *
 * The wallet's commands write first and act after, so that a key that could not be kept is never used.
 */

import { toHex } from "./hex";
import type { Command, Settings, ToServiceWorker } from "./messages";
import { cleared } from "./history";
import type { Saved } from "./saved";
import { TroubleError } from "./trouble";
import { type AddressOf, generate, open, parseSecret, seal, type Unlocked } from "./wallet";

/** What commands do to the engine. */
export interface CommandTarget {
  readonly saved: Saved;
  readonly addressOf: AddressOf;
  readonly crypto: Crypto;
  /** Whether stored values were read; before, nothing may be overwritten. */
  isLoaded(): boolean;
  unlock(key: Unlocked): void;
  lock(): void;
  /** Pause, settings or patience changed: judge again, and try again what had failed. */
  retry(): void;
  setSettings(settings: Settings): void;
  dismissTrouble(): void;
  tellServiceWorker(message: ToServiceWorker): void;
}

export class Commands {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly target: CommandTarget) {}

  /** Does a command; the secret, if it was asked for. Throws `TroubleError`. */
  run(command: Command): Promise<string | undefined> {
    const done = this.#last.then(() => this.#run(command));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #run(command: Command): Promise<string | undefined> {
    const { target } = this;
    if (!target.isLoaded()) throw new TroubleError("storage-corrupt", "the browser's storage cannot be read");
    switch (command.type) {
      case "create-wallet":
        await this.#keep(generate(target.crypto, target.addressOf), command.passphrase);
        return;
      case "import-wallet":
        await this.#keep(parseSecret(target.addressOf, command.secret), command.passphrase);
        return;
      case "export-wallet":
        return toHex((await this.#open(command.passphrase)).secret);
      case "delete-wallet":
        await this.#open(command.passphrase);
        await target.saved.setWallet(null);
        target.tellServiceWorker({ to: "service-worker", type: "keep-wallet", wallet: null });
        target.lock();
        return;
      case "unlock":
        target.unlock(await this.#open(command.passphrase));
        return;
      case "lock":
        target.lock();
        return;
      case "pause":
        target.saved.setPaused(true);
        target.retry();
        return;
      case "resume":
        target.saved.setPaused(false);
        target.retry();
        return;
      case "set":
        target.setSettings(command.settings);
        return;
      case "dismiss-trouble":
        target.dismissTrouble();
        return;
      case "clear-history":
        target.saved.setHistory(cleared(target.saved.history));
        target.retry();
        return;
    }
  }

  async #keep(secret: Uint8Array<ArrayBuffer>, passphrase: string): Promise<void> {
    const { crypto, addressOf, saved } = this.target;
    if (saved.wallet !== null) {
      throw new TroubleError("wallet-exists", "export and delete the present key first: it would be lost");
    }
    const wallet = await seal(crypto, addressOf, secret, passphrase);
    await saved.setWallet(wallet);
    this.target.tellServiceWorker({ to: "service-worker", type: "keep-wallet", wallet });
    this.target.unlock({ address: wallet.address, secret });
  }

  #open(passphrase: string): Promise<Unlocked> {
    const { crypto, addressOf, saved } = this.target;
    if (saved.wallet === null) throw new TroubleError("no-wallet", "there is no key yet");
    return open(crypto, addressOf, saved.wallet, passphrase);
  }
}
