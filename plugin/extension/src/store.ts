/**
 * What survives: an IndexedDB database of small values, of finished proofs and of keys.
 *
 * Every failure is an error with a code (`storage-full`, `storage-corrupt`); a value that cannot be read is moved
 * aside, never overwritten. Values are parsed by whoever asks for them.
 */

import { describe, TroubleError } from "./trouble";

const VERSION = 1;

/** How version n is made from version n - 1, at index n - 1. Never changed, only appended to. */
const MIGRATIONS: ((db: IDBDatabase) => void)[] = [
  (db) => {
    db.createObjectStore("values");
    db.createObjectStore("proofs");
    db.createObjectStore("keys");
  },
];

type Table = "values" | "proofs" | "keys";

/** A finished proof that may still have to be sent. */
export interface StoredProof {
  proof: Uint8Array;
  /** Time that it took, in milliseconds. */
  ms: number;
  at_ms: number;
}

function troubleOfRequest(error: unknown): TroubleError {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "QuotaExceededError") return new TroubleError("storage-full", describe(error), { cause: error });
  return new TroubleError("storage-corrupt", describe(error), { cause: error });
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class Store {
  #db: Promise<IDBDatabase> | null = null;

  constructor(
    private readonly factory: IDBFactory,
    private readonly name: string,
  ) {}

  /** Opens the database, again if the browser closed it. */
  #open(): Promise<IDBDatabase> {
    this.#db ??= this.#openOnce().catch((error: unknown) => {
      this.#db = null;
      throw error;
    });
    return this.#db;
  }

  #openOnce(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = this.factory.open(this.name, VERSION);
      request.onupgradeneeded = (event) => {
        for (const migrate of MIGRATIONS.slice(event.oldVersion)) migrate(request.result);
      };
      request.onsuccess = () => {
        const db = request.result;
        const forget = (): void => {
          this.#db = null;
          db.close();
        };
        db.onclose = forget;
        db.onversionchange = forget;
        resolve(db);
      };
      request.onerror = () => reject(request.error);
      request.onblocked = () => reject(new Error("another version of the extension holds the database"));
    });
  }

  async #run<T>(
    table: Table,
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore) => T | Promise<T>,
  ): Promise<T> {
    try {
      const db = await this.#open();
      const transaction = db.transaction(table, mode, { durability: "strict" });
      const done = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
      });
      const [result] = await Promise.all([work(transaction.objectStore(table)), done]);
      return result;
    } catch (error) {
      throw troubleOfRequest(error);
    }
  }

  /** A value, undefined when there is none. */
  get(key: string): Promise<unknown> {
    return this.#run("values", "readonly", (store) => settled<unknown>(store.get(key)));
  }

  async set(key: string, value: unknown): Promise<void> {
    await this.#run("values", "readwrite", (store) => settled(store.put(value, key)));
  }

  async delete(key: string): Promise<void> {
    await this.#run("values", "readwrite", (store) => settled(store.delete(key)));
  }

  /** Moves a value that cannot be read aside, where it can still be looked at. */
  async setAside(key: string, at_ms: number): Promise<void> {
    await this.#run("values", "readwrite", async (store) => {
      const value = await settled<unknown>(store.get(key));
      if (value === undefined) return;
      await settled(store.put(value, `${key} unreadable ${at_ms}`));
      await settled(store.delete(key));
    });
  }

  async putProof(id: string, proof: StoredProof): Promise<void> {
    await this.#run("proofs", "readwrite", (store) => settled(store.put(proof, id)));
  }

  async proof(id: string): Promise<StoredProof | null> {
    const value = await this.#run("proofs", "readonly", (store) => settled<unknown>(store.get(id)));
    if (typeof value !== "object" || value === null) return null;
    const { proof, ms, at_ms } = value as Record<string, unknown>;
    if (!(proof instanceof Uint8Array) || typeof ms !== "number" || typeof at_ms !== "number") return null;
    return { proof, ms, at_ms };
  }

  async deleteProof(id: string): Promise<void> {
    await this.#run("proofs", "readwrite", (store) => settled(store.delete(id)));
  }

  /** Deletes proofs made before a time: their deadlines have passed long ago. */
  async deleteProofsBefore(at_ms: number): Promise<void> {
    await this.#run("proofs", "readwrite", async (store) => {
      for (const id of await settled(store.getAllKeys())) {
        const value = await settled<unknown>(store.get(id));
        const made = typeof value === "object" && value !== null ? (value as Record<string, unknown>)["at_ms"] : 0;
        if (typeof made !== "number" || made < at_ms) await settled(store.delete(id));
      }
    });
  }

  /** Bytes of a key by its digest, unchecked. */
  async key(digest: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const value = await this.#run("keys", "readonly", (store) => settled<unknown>(store.get(digest)));
    return value instanceof ArrayBuffer ? new Uint8Array(value) : null;
  }

  /** Keeps a key, and no other that is not `keep`: each is tens of megabytes. */
  async putKey(digest: string, bytes: ArrayBuffer, keep: string[] = []): Promise<void> {
    await this.#run("keys", "readwrite", async (store) => {
      for (const id of await settled(store.getAllKeys())) {
        if (id !== digest && !keep.includes(String(id))) await settled(store.delete(id));
      }
      await settled(store.put(bytes, digest));
    });
  }

  async deleteKey(digest: string): Promise<void> {
    await this.#run("keys", "readwrite", (store) => settled(store.delete(digest)));
  }

  close(): void {
    void this.#db?.then((db) => db.close());
    this.#db = null;
  }
}
