// What clients ask of the metadata service: questions, which change nothing, and changes, which
// carry a ticket. Plain data, so that the same request goes to a service in this process, over ws,
// or through the simulator. A backend imports this file and nothing else of the package.
//
// - A ticket names the client, one of its call slots, and that slot's next sequence number. A
//   change that is delivered again gets the stored reply; an older one is refused (H15).
// - Every change is also safe by state: it names what it believes (head, lease, generation), and
//   answers what is the case when that is wrong.
// - A client that was marked dead is refused with PDPM_FENCED.
// - Space: every buffer is live, leased or free (or spent), recorded in its span's bitmaps:
//   bit n of byte n >> 3 (1 << (n & 7)) stands for the span's nth buffer.

import type { Pointer } from "@pdpm/layout";

/** The name under which a router reaches the service. */
export const metadataServer = "metadata";
/** Call slots of a client: changes under way at most. */
export const callSlots = 256;
/** Bytes of a span's bitmap. */
export const bitmapBytes = 32;
/** Moves in one `advance`, keys in one `clean`, `forgetMany` or page, spans in one `giveBack` at most. */
export const batchMost = 4096;
/** Buffers freed by one move, one `forget`, or one key's `clean` at most; they are one commit. */
export const freedMost: number = 2 ** 16;

/** Names a change once and for all. Sequence numbers of a slot start at 1. */
export interface Ticket {
  readonly client: number;
  readonly slot: number;
  readonly sequence: number;
}

/** A span of neighbouring buffers in a chunk. */
export interface SpanName {
  readonly chunk: number;
  /** 0-based in its chunk. */
  readonly span: number;
}

/** A span and some of its buffers. */
export interface SpanPart extends SpanName {
  readonly bitmap: Uint8Array;
}

/** A span whose lease ends: `bitmap` are its unused buffers. */
export interface ReturnedPart extends SpanPart {
  /** Of those that are not live: GC version used up without ever having been linked. */
  readonly spent?: Uint8Array;
}

/** States of a chunk. `withdrawn`: nothing of it is leased any more, to be emptied. */
export type ChunkStateName = "active" | "withdrawn" | "retired";

/** A chunk in the table; its space starts at the region header's end + place * chunk bytes. */
export interface ChunkEntry {
  readonly chunk: number;
  readonly node: number;
  readonly place: number;
  readonly sizeClass: number;
  readonly state: ChunkStateName;
}

/** The chunk table, without the chunks whose places were cut anew. */
export interface ChunkTableReply {
  /** Grows with every change of a chunk's state or existence, and with pressure. */
  readonly generation: number;
  /** Grows when somebody finds no space: clients hand back what they do not need and collect. */
  readonly pressure: number;
  readonly chunks: readonly ChunkEntry[];
}

/** Where a key's chain (Clover) or cell (Central) is. */
export interface LookupReply {
  /** Null when the key does not exist. */
  readonly head: Pointer | null;
  /** Central: superseded cells of the key that are not yet wiped and freed. */
  readonly stale: readonly Pointer[];
  /** Commit numbers of a new life of the key start above it. */
  readonly floor: number;
}

/** A key of the directory. Clover: it may be deleted already, if its chain is sealed. */
export interface KeyAndHead {
  readonly key: Uint8Array;
  readonly head: Pointer;
}

/** Space of the whole store, in buffers, by chunk. */
export interface ChunkSpace extends ChunkEntry {
  readonly free: number;
  readonly leased: number;
  /** Neither: live, or waiting to be collected. */
  readonly taken: number;
  /** GC versions used up; never handed out again under this chunk number. */
  readonly spent: number;
}

/** A client as the service knows it. */
export interface ClientRecord {
  readonly id: number;
  readonly pid: number;
  /**
   * How it shows that it lives: a lease file at the memory nodes it maps, or a pulse to the server.
   */
  readonly kind: "file" | "pulse";
  readonly state: "live" | "dead";
  readonly acknowledged: number;
}

/** Questions: nothing changes, so nothing is remembered. */
export type Question =
  | { readonly ask: "lookup"; readonly key: Uint8Array }
  | { readonly ask: "table" }
  | {
      readonly ask: "keys";
      readonly prefix: Uint8Array;
      /** Exclusive; null: from the beginning. */
      readonly after: Uint8Array | null;
      readonly limit: number;
    }
  | { readonly ask: "space" }
  | { readonly ask: "clients" }
  /** The leased parts of spans held by `client`. */
  | { readonly ask: "leases"; readonly client: number }
  /** The taken (neither free nor leased nor spent) buffers of a chunk. */
  | { readonly ask: "taken"; readonly chunk: number }
  /** Who coordinates (Central) and collects; 0: nobody. */
  | { readonly ask: "offices" };

/** One key's head moved on; everything before `next` in its chain is freed. */
export interface Move {
  readonly key: Uint8Array;
  readonly head: Pointer;
  readonly next: Pointer;
  /** From `head`, inclusive, to `next`, exclusive, in chain order. */
  readonly freed: readonly Pointer[];
}

/** A deleted key: its seal is durable and its head mark wiped, or its cells are. */
export interface Forgotten {
  readonly key: Uint8Array;
  readonly head: Pointer;
  /** The last one of this life: the floor is raised to it. */
  readonly commitNumber: number;
  readonly freed: readonly Pointer[];
}

/** Central: superseded cells of a key that were wiped durably and are free from now on. */
export interface Cleaned {
  readonly key: Uint8Array;
  readonly stale: readonly Pointer[];
}

/** Changes; the reply types stand in `ReplyOf`. */
export type Change =
  /** The client of the ticket is live from now on. Its id was never used before. */
  | { readonly do: "enter"; readonly pid: number; readonly kind: ClientRecord["kind"] }
  /** It is gone, and owes nothing. */
  | { readonly do: "leave" }
  /** This client has no business left with chunks that were retired before `generation`. */
  | { readonly do: "acknowledge"; readonly generation: number }
  /** About `buffers` free buffers, first in first out by span. */
  | { readonly do: "lease"; readonly sizeClass: number; readonly buffers: number }
  /** Spans leased to this client: `bitmap` are the unused ones (free), the rest is live by now. */
  | { readonly do: "giveBack"; readonly spans: readonly ReturnedPart[] }
  /** The region was extended: a chunk of this class is made there. */
  | {
      readonly do: "addChunk";
      readonly node: number;
      readonly place: number;
      readonly sizeClass: number;
    }
  /** A key's first version, in a buffer leased to this client. */
  | {
      readonly do: "create";
      readonly key: Uint8Array;
      readonly pointer: Pointer;
      /** The least one that is used: where several writes were combined, the first one's. */
      readonly commitNumber: number;
    }
  | { readonly do: "advance"; readonly moves: readonly Move[] }
  | ({ readonly do: "forget" } & Forgotten)
  /** The same for many keys, each for itself. */
  | { readonly do: "forgetMany"; readonly keys: readonly Forgotten[] }
  /** Central: `pointer`, leased to this client, takes the place of `expected`, which turns stale. */
  | {
      readonly do: "supersede";
      readonly key: Uint8Array;
      readonly expected: Pointer;
      readonly pointer: Pointer;
    }
  | { readonly do: "clean"; readonly cells: readonly Cleaned[] }
  /** Somebody found no space. */
  | { readonly do: "press" }
  /** Active to withdrawn, or back. */
  | { readonly do: "withdraw"; readonly chunk: number }
  | { readonly do: "restore"; readonly chunk: number }
  /** A withdrawn chunk whose buffers are all free or spent is retired. */
  | { readonly do: "retire"; readonly chunk: number }
  /** The place of a retired chunk that every client has acknowledged becomes a new chunk. */
  | { readonly do: "recut"; readonly chunk: number; readonly sizeClass: number }
  /** Claims an office for this client; a dead holder's passes on. */
  | { readonly do: "claim"; readonly office: Office }
  | { readonly do: "resign"; readonly office: Office }
  /** The client can post nothing any more (fenced, or its process ended). */
  | { readonly do: "markDead"; readonly dead: number }
  /** Settles spans leased to a dead client, as giveBack does. */
  | { readonly do: "settle"; readonly dead: number; readonly spans: readonly ReturnedPart[] }
  /** A dead client that owes nothing is forgotten: record, slots, offices. */
  | { readonly do: "bury"; readonly dead: number };

/** What one client at a time may do. */
export type Office = "collector" | "coordinator";

/** The reply of each question. */
export interface AnswerOf {
  lookup: LookupReply;
  table: ChunkTableReply;
  /** In byte order, with their heads. */
  keys: readonly KeyAndHead[];
  space: readonly ChunkSpace[];
  clients: readonly ClientRecord[];
  leases: readonly SpanPart[];
  taken: readonly SpanPart[];
  offices: { readonly collector: number; readonly coordinator: number };
}

/** The reply of each change. */
export interface ReplyOf {
  enter: { readonly generation: number };
  /** "owes": spans are still leased to it; nothing was changed. */
  leave: "left" | "owes";
  acknowledge: "done";
  lease:
    | { readonly spans: readonly SpanPart[] }
    /** No space of this class: extend `node` to `sizeBytes`, then addChunk, then lease again. */
    | {
        readonly grow: {
          readonly node: number;
          readonly place: number;
          readonly sizeBytes: number;
        };
      }
    /** No chunk may be added either. */
    | "full";
  giveBack: "done";
  addChunk: { readonly chunk: number } | "taken";
  create: "created" | { readonly exists: Pointer } | { readonly floor: number } | "notLeased";
  /** Per move: done, or what the key's head is instead (null: no such key). */
  advance: readonly ("moved" | { readonly head: Pointer | null })[];
  forget: "forgotten" | { readonly head: Pointer | null };
  forgetMany: readonly ("forgotten" | { readonly head: Pointer | null })[];
  supersede: "done" | "notLeased" | { readonly head: Pointer | null };
  clean: readonly ("cleaned" | "unknown")[];
  press: { readonly generation: number };
  withdraw: "done" | "no";
  restore: "done" | "no";
  /** "busy": spans are leased; "full": buffers are taken. */
  retire: { readonly generation: number } | "busy" | "full" | "no";
  recut: { readonly chunk: number } | { readonly waitingFor: readonly number[] } | "no";
  claim: "claimed" | { readonly holder: number };
  resign: "done";
  markDead: "done";
  settle: "done";
  bury: "buried" | "owes";
}

/** What travels: a question, or a change with its ticket. */
export type MetadataRequest = Question | { readonly ticket: Ticket; readonly change: Change };
