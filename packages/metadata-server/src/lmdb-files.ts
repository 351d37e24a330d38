// LMDB's two files, looked at and prepared before LMDB maps them. LMDB trusts them: a file that is
// too short, or no LMDB file at all, ends the process with SIGBUS or SIGSEGV instead of an error.
//
// - The lock file is written in full before it gets its name. LMDB makes a sparse one, and to store
//   into its map on a full disk is a SIGBUS.
// - Of the data file both meta pages must be there, and the two pages from which the newer one
//   starts. What is wrong deeper inside cannot be told without reading all of it: even the end of a
//   sound file may be missing, when its last pages are free.
// Source: mdb.c, MDB_meta and mdb_env_read_header.

import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** The file with the records. */
export const dataFileName = "data.mdb";
const lockFileName = "lock.mdb";
/** Room for 1,024 readers. */
const lockFileBytes: number = 72 * 1024;

const metaBytes = 0xa0;
const metaMagic = 0xbeefc0de;
/** Kinds of pages, in their header's flags. */
const PageFlag = { branch: 0x01, leaf: 0x02, meta: 0x08 } as const;
/** The root of an empty tree. */
const noPage = 0xffffffffffffffffn;
/** Offsets in a page's header, and in a meta page behind that. */
const at = {
  page: 0x00,
  flags: 0x12,
  magic: 0x18,
  pageBytes: 0x30,
  freeRoot: 0x58,
  mainRoot: 0x88,
  transaction: 0x98,
} as const;
const headerBytes: number = at.magic;

/** Makes the directory, if it is missing, and its lock file. Throws Node's errors. */
export function prepareFiles(path: string): void {
  // Not recursive: node never returns from that below /proc.
  if (!existsSync(path)) mkdirSync(path);
  accessSync(path, constants.W_OK);
  const lockFile = join(path, lockFileName);
  if (existsSync(lockFile)) return;
  const fresh = `${lockFile}-${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(fresh, Buffer.alloc(lockFileBytes), { flag: "wx" });
    linkSync(fresh, lockFile);
  } catch (error) {
    // Another process was faster, and may be using its own by now.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** Why the data file in `path` must not be given to LMDB, or null. None, or an empty one: new. */
export function damageOf(path: string): string | null {
  let file: number;
  try {
    file = openSync(join(path, dataFileName), "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    return fstatSync(file).size === 0 ? null : damageIn(file);
  } finally {
    closeSync(file);
  }
}

function damageIn(file: number): string | null {
  const first = metaPage(file, 0);
  if (typeof first === "string") return first;
  const second = metaPage(file, first.pageBytes);
  if (typeof second === "string") return second;
  const { roots, pageBytes } = first.transaction > second.transaction ? first : second;
  for (const root of roots) {
    if (root === noPage) continue;
    const header = readAt(file, Number(root) * pageBytes, headerBytes);
    if (header === null) return "it is cut off";
    const isTree = (header.readUInt16LE(at.flags) & (PageFlag.branch | PageFlag.leaf)) !== 0;
    if (!isTree || header.readBigUInt64LE(at.page) !== root) return `its page ${root} is none`;
  }
  return null;
}

interface MetaPage {
  readonly pageBytes: number;
  readonly transaction: bigint;
  /** Page numbers of the trees of free pages and of records. */
  readonly roots: readonly bigint[];
}

function metaPage(file: number, position: number): MetaPage | string {
  const page = readAt(file, position, metaBytes);
  if (page === null) return "its beginning is missing";
  const isMeta = (page.readUInt16LE(at.flags) & PageFlag.meta) !== 0;
  const pageBytes = page.readUInt32LE(at.pageBytes);
  const isSize = pageBytes >= 512 && pageBytes <= 65_536 && (pageBytes & (pageBytes - 1)) === 0;
  if (!isMeta || page.readUInt32LE(at.magic) !== metaMagic || !isSize) return "it is no LMDB file";
  return {
    pageBytes,
    transaction: page.readBigUInt64LE(at.transaction),
    roots: [page.readBigUInt64LE(at.freeRoot), page.readBigUInt64LE(at.mainRoot)],
  };
}

/** Bytes of the file, or null when it ends before them. */
function readAt(file: number, position: number, count: number): Buffer | null {
  const bytes = Buffer.alloc(count);
  if (!Number.isSafeInteger(position)) return null;
  return readSync(file, bytes, 0, count, position) === count ? bytes : null;
}
