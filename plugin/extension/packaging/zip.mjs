// A zip file that depends on nothing but names and bytes.
//
// Entries are stored, not deflated: what deflate gives differs between versions and processors. Every time is the
// first that the format knows, and no entry says which system or user made it.
import { crc32 } from './crc32.mjs';

/** 1 January 1980, midnight, in the format's units. */
const DATE = (1 << 5) | 1;
const TIME = 0;
/** Version 2.0 of the format. */
const VERSION = 20;
/** Names are UTF-8. */
const FLAGS = 1 << 11;
/** Largest file of the plain format. */
const MAX_BYTES = 0xffff_ffff;

/** The zip of files as `filesOf` gives them. */
export function zip(files) {
  const locals = [];
  const centrals = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const path = Buffer.from(name, 'utf8');
    const common = Buffer.alloc(26);
    common.writeUInt16LE(VERSION, 0);
    common.writeUInt16LE(FLAGS, 2);
    common.writeUInt16LE(0, 4); // stored
    common.writeUInt16LE(TIME, 6);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(path.length, 22);
    common.writeUInt16LE(0, 24); // no extra field
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, path]);
    const made = Buffer.alloc(2);
    made.writeUInt16LE(VERSION, 0);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10); // no comment, disk 0, no attributes
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), made, common, tail, path]));
    locals.push(local, bytes);
    offset += local.length + bytes.length;
  }
  const directory = Buffer.concat(centrals);
  if (offset + directory.length > MAX_BYTES || files.length > 0xffff) throw new Error('too large for a plain zip file');
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
