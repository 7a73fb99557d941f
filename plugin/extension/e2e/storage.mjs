// What can happen to the extension's storage, done from one of its own pages.

/** Runs in the page: the database of src/store.ts. */
function database() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('crowdfold');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Runs `work(store)` in one table; the page must be of the extension. */
function inTable(page, table, mode, work, argument) {
  const source = `(async () => {
    const db = await (${database})();
    const transaction = db.transaction(${JSON.stringify(table)}, ${JSON.stringify(mode)});
    const settled = (r) => new Promise((ok, bad) => { r.onsuccess = () => ok(r.result); r.onerror = () => bad(r.error); });
    const done = new Promise((ok, bad) => { transaction.oncomplete = ok; transaction.onabort = () => bad(transaction.error); });
    const result = await (${work})(transaction.objectStore(${JSON.stringify(table)}), settled, ${JSON.stringify(argument ?? null)});
    await done;
    db.close();
    return result;
  })()`;
  return page.evaluate(source);
}

/** Names of the values that are kept. */
export function names(page) {
  return inTable(page, 'values', 'readonly', 'async (store, settled) => (await settled(store.getAllKeys())).map(String)');
}

/** Overwrites every value whose name begins so with something that is none; how many. */
export function spoil(page, prefix) {
  const work = async (store, settled, prefix) => {
    const keys = (await settled(store.getAllKeys())).filter((key) => String(key).startsWith(prefix));
    for (const key of keys) await settled(store.put({ spoiled: true, by: [1, 2, 3] }, key));
    return keys.length;
  };
  return inTable(page, 'values', 'readwrite', String(work), prefix);
}

/** Flips a bit of each kept key; how many there were. */
export function bendKeys(page) {
  const work = async (store, settled) => {
    const keys = await settled(store.getAllKeys());
    for (const key of keys) {
      const bytes = new Uint8Array(await settled(store.get(key)));
      bytes[bytes.length >> 1] ^= 1;
      await settled(store.put(bytes.buffer, key));
    }
    return keys.length;
  };
  return inTable(page, 'keys', 'readwrite', String(work));
}

/** Limits the extension's storage to so many bytes; the function given lifts the limit. */
export async function limitStorage(browser, page, quotaSize) {
  const session = await browser.devtools(page);
  const origin = `chrome-extension://${browser.id}`;
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
  // The limit lasts as long as the session that set it.
  return async () => {
    await session.send('Storage.overrideQuotaForOrigin', { origin });
    await session.detach();
  };
}
