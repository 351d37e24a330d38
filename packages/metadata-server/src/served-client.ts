// One client's connection at a server, from the hello to the last answer.
//
// - Nothing of a message is believed before it was decoded and looked over; a malformed one ends
//   the connection with a close code, and nothing of it happens.
// - What it asks and what it is owed are bounded: a call counts until the socket has taken its
//   answer, and who reads nothing is cut off.
// - Every call is answered: with the reply, with what went wrong, or by the connection's end.
//   Nothing that a handler throws or returns goes further.

import { PdpmError } from "@pdpm/base";
import { CloseCode, closeReason } from "@pdpm/transport-ws";
import type { WebSocket } from "ws";
import {
  callsMost,
  decodeMessage,
  encodeMessage,
  failureMessage,
  messageBytesMost,
  type ServerHello,
} from "./wire.ts";

/** Bytes of answers that a client may leave unread. */
const owedBytesMost: number = 64 * 2 ** 20;
/** A client may have its answers, and ask again, before the socket says that it has taken them. */
const callsHeldMost: number = 2 * callsMost;
const silentTicksMost = 2;

/** What a connection is for. */
export interface ServedClientOptions {
  readonly hello: ServerHello;
  handle(request: unknown): Promise<unknown>;
  /** The client of this id lives. */
  onPulse(client: number): void;
}

/** See the head of this file. */
export class ServedClient {
  readonly #socket: WebSocket;
  readonly #options: ServedClientOptions;
  #calls = 0;
  #silentTicks = 0;

  constructor(socket: WebSocket, options: ServedClientOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("error", () => undefined); // Followed by "close".
    socket.on("pong", () => {
      this.#silentTicks = 0;
    });
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      this.#silentTicks = 0;
      const refusal = isBinary ? this.#take(data) : malformed("a text message");
      if (refusal !== null) socket.close(refusal.code, closeReason(refusal.reason));
    });
    this.#send(encodeMessage(["hello", options.hello]));
  }

  /** Time has passed: asks for a sign of life, and ends the connection when two were missed. */
  tick(): void {
    this.#silentTicks += 1;
    if (this.#silentTicks > silentTicksMost) this.#socket.terminate();
    else if (this.#isOpen) this.#socket.ping();
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  #take(data: Buffer): Refusal | null {
    // The rest of a chunk whose first message ended the connection.
    if (!this.#isOpen) return null;
    const message = decodeMessage(data);
    if (message === undefined) return malformed("not a message of pdpm");
    const [kind, number, request] = message;
    if (!Number.isSafeInteger(number) || (number as number) < 1) {
      return malformed("a message without a number");
    }
    if (kind === "pulse") {
      this.#options.onPulse(number as number);
      return null;
    }
    if (kind !== "call") return malformed(`unknown message "${String(kind)}"`);
    if (this.#calls >= callsHeldMost) {
      return { code: CloseCode.policy, reason: `over ${callsHeldMost} calls at once` };
    }
    this.#calls += 1;
    // #answer never rejects.
    void this.#answer(number as number, request);
    return null;
  }

  async #answer(number: number, request: unknown): Promise<void> {
    let answer: Uint8Array;
    try {
      answer = encodeMessage(["ok", number, await this.#options.handle(request)]);
      if (answer.length > messageBytesMost) {
        const text = `an answer of ${answer.length} bytes, over ${messageBytesMost}: ask for less`;
        throw new PdpmError("PDPM_INVALID_ARGUMENT", text, { outcome: "unknown" });
      }
    } catch (error) {
      answer = encodeMessage(failureMessage(number, error));
    }
    this.#send(answer, () => {
      this.#calls -= 1;
    });
  }

  #send(message: Uint8Array, taken?: () => void): void {
    if (!this.#isOpen) return;
    this.#socket.send(message, taken);
    if (this.#socket.bufferedAmount > owedBytesMost) this.#socket.terminate();
  }
}

interface Refusal {
  readonly code: number;
  readonly reason: string;
}

function malformed(reason: string): Refusal {
  return { code: CloseCode.malformed, reason };
}
