// The files of an unpacked extension, in one order on every machine.
import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Every file below `folder`: its name with `/` between folders, and its bytes; sorted by name, byte by byte.
 * What is neither file nor folder (a link) has `bytes` null.
 */
export function filesOf(folder) {
  const found = [];
  const walk = (under) => {
    for (const name of readdirSync(join(folder, under))) {
      const path = under ? `${under}/${name}` : name;
      const kind = lstatSync(join(folder, path));
      if (kind.isDirectory()) walk(path);
      else found.push({ name: path, bytes: kind.isFile() ? readFileSync(join(folder, path)) : null });
    }
  };
  walk('');
  return found.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}
